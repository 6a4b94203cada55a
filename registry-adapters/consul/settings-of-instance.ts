import {
  type InstanceSettings,
  isForWeft,
  readSettings,
  settingsInTags,
  type WrittenSetting,
} from '../instance-settings.ts'
import type { ConsulInstance } from './answers.ts'

/**
 * Reads the `weft.*` settings of an instance. Consul refuses dots in the keys of meta, so there they are written
 * `weft-protocol`; tags take any text and carry them as `weft.protocol=http`. Meta goes before tags. Unknown keys, and
 * tags that contradict each other, are returned as reasons.
 */
export function settingsOfInstance(instance: ConsulInstance): {
  readonly settings: InstanceSettings
  readonly reasons: readonly string[]
} {
  const meta = Object.entries(instance.meta)
    .filter(([written]) => isForWeft(written))
    .map(([written, value]): WrittenSetting => ({ written, key: written.slice('weft-'.length), value }))
  return readSettings([...meta, ...settingsInTags(instance.tags)])
}
