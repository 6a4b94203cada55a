import { type Protocol, protocols } from '../mesh/model/service.ts'
import { didYouMean } from '../mesh/std/did-you-mean.ts'
import { quoted } from './quoted.ts'

/** What an instance says to Weft, by key without prefix: the same words in every registry. */
export type InstanceSettings = Readonly<Partial<Record<SettingKey, string>>>

/** One setting as its owner wrote it, with the key without prefix. */
export interface WrittenSetting {
  readonly written: string
  readonly key: string
  readonly value: string
}

const settingKeys = [
  'protocol',
  'port',
  'namespace',
  'service-account',
  'node',
  'locality',
  'weight',
  'health',
  'uid',
  'user',
  'unit',
  'cgroup',
] as const
type SettingKey = (typeof settingKeys)[number]

/** `label.<name>` is a label of the workload, see labels.ts. */
export const labelKeyPrefix = 'label.'

/** What a ServiceEntry can say: an unsigned 32-bit number. */
const maxWeight = 2 ** 32 - 1

/**
 * Puts settings together; of two with one key the first counts. Unknown keys, and those that contradict an earlier
 * one, are returned as reasons.
 */
export function readSettings(written: Iterable<WrittenSetting>): {
  readonly settings: InstanceSettings
  readonly reasons: readonly string[]
} {
  const settings: Partial<Record<SettingKey, string>> = {}
  const reasons: string[] = []
  for (const { written: text, key, value } of written) {
    if (key.startsWith(labelKeyPrefix)) continue
    if (!isSettingKey(key)) {
      const meant = didYouMean(key, settingKeys)
      reasons.push(`unknown setting ${quoted(text)}${meant === undefined ? '' : `, did you mean weft-${meant}?`}`)
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

/** `key=value` at its first equals sign. */
export function splitTag(tag: string): readonly [string, string] {
  const at = tag.indexOf('=')
  return [tag.slice(0, at), tag.slice(at + 1)]
}

/** The tags `weft.<key>=<value>` and `weft-<key>=<value>`. */
export function settingsInTags(tags: readonly string[]): readonly WrittenSetting[] {
  return tags
    .filter(tag => isForWeft(tag) && tag.includes('='))
    .map(tag => {
      const [written, value] = splitTag(tag)
      return { written, key: written.slice('weft.'.length), value }
    })
}

/** The port that callers should use, as the instance says. */
export function servicePortOf(settings: InstanceSettings): {
  readonly port?: number
  readonly reasons: readonly string[]
} {
  if (settings.port === undefined) return { reasons: [] }
  const port = /^\d{1,5}$/.test(settings.port) ? Number(settings.port) : 0
  return isPort(port) ? { port, reasons: [] } : { reasons: [`weft-port ${quoted(settings.port)} is not a port`] }
}

/** What is spoken on its port, as the instance says. */
export function protocolOf(settings: InstanceSettings): {
  readonly protocol?: Protocol
  readonly reasons: readonly string[]
} {
  const { protocol } = settings
  if (protocol === undefined) return { reasons: [] }
  if (isProtocol(protocol)) return { protocol, reasons: [] }
  return { reasons: [`weft-protocol ${quoted(protocol)} is none of ${protocols.join(', ')}`] }
}

/** The instance's share of traffic beside others, as it says. */
export function weightOf(settings: InstanceSettings): {
  readonly weight?: number
  readonly reasons: readonly string[]
} {
  const { weight: said } = settings
  if (said === undefined) return { reasons: [] }
  const weight = /^\d{1,10}$/.test(said) ? Number(said) : Number.NaN
  if (weight <= maxWeight) return { weight, reasons: [] }
  return { reasons: [`weft-weight ${quoted(said)} is not a whole number between 0 and ${maxWeight}`] }
}

/** A port that something can listen on. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535
}

function isProtocol(text: string): text is Protocol {
  return protocols.some(known => known === text)
}

function isSettingKey(key: string): key is SettingKey {
  return settingKeys.some(known => known === key)
}
