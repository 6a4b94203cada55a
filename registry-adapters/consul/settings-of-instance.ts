import { didYouMean } from '../../mesh/std/did-you-mean.ts'
import type { ConsulInstance } from './answers.ts'
import { quoted } from './quoted.ts'

/** What an instance says to Weft, by key without prefix. */
export type InstanceSettings = Readonly<Partial<Record<SettingKey, string>>>

const settingKeys = [
  'protocol',
  'port',
  'namespace',
  'service-account',
  'node',
  'locality',
  'uid',
  'user',
  'unit',
  'cgroup',
] as const
type SettingKey = (typeof settingKeys)[number]

/**
 * Reads the `weft.*` settings of an instance. Consul refuses dots in the keys of meta, so there they are written
 * `weft-protocol`; tags take any text and carry them as `weft.protocol=http`. Meta goes before tags. Unknown keys, and
 * tags that contradict each other, are returned as reasons.
 */
export function settingsOfInstance(instance: ConsulInstance): {
  readonly settings: InstanceSettings
  readonly reasons: readonly string[]
} {
  const settings: Partial<Record<SettingKey, string>> = {}
  const reasons: string[] = []
  for (const [written, key, value] of settingsIn(instance)) {
    if (!isSettingKey(key)) {
      const meant = didYouMean(key, settingKeys)
      reasons.push(`unknown setting ${quoted(written)}${meant === undefined ? '' : `, did you mean weft-${meant}?`}`)
    } else if (settings[key] === undefined) {
      settings[key] = value
    } else if (settings[key] !== value) {
      reasons.push(`weft-${key} is said more than once, ${quoted(settings[key])} is used`)
    }
  }
  return { settings, reasons }
}

/** True for a key of meta, or a tag, that is meant for Weft. */
export function isForWeft(text: string): boolean {
  return /^weft[-.]/.test(text)
}

/** As written, without the prefix, and the value; meta first. */
function settingsIn(instance: ConsulInstance): readonly (readonly [string, string, string])[] {
  const meta = Object.entries(instance.meta).filter(([key]) => isForWeft(key))
  const tags = instance.tags.filter(tag => isForWeft(tag) && tag.includes('=')).map(splitTag)
  return [...meta, ...tags].map(([written, value]) => [written, written.slice('weft.'.length), value])
}

/** `key=value` at its first equals sign. */
export function splitTag(tag: string): readonly [string, string] {
  const at = tag.indexOf('=')
  return [tag.slice(0, at), tag.slice(at + 1)]
}

function isSettingKey(key: string): key is SettingKey {
  return settingKeys.some(known => known === key)
}
