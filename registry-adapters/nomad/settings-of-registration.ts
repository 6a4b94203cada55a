import { type InstanceSettings, readSettings, settingsInTags, type WrittenSetting } from '../instance-settings.ts'

/** What one registration says to Weft: in its tags as `weft.<key>=<value>`, in its job's meta as `weft_<key>`. */
export function settingsOfRegistration(
  tags: readonly string[],
  meta: Readonly<Record<string, string>>,
): { readonly settings: InstanceSettings; readonly reasons: readonly string[] } {
  const inMeta = Object.entries(meta)
    .filter(([written]) => isForWeft(written))
    .map(([written, value]): WrittenSetting => {
      return { written, key: written.slice('weft_'.length).replaceAll('_', '-'), value }
    })
  const said = [...settingsInTags(tags), ...inMeta]
  // Where an allocation runs is the scheduler's to say, never the job's.
  const { settings, reasons } = readSettings(said.filter(({ key }) => key !== 'node'))
  const wrong = said.filter(({ key }) => key === 'node').map(() => 'weft-node counts only in the meta of a node')
  return { settings, reasons: [...reasons, ...wrong] }
}

/** Entries of meta that are settings and no labels. HCL takes underscores without quotes. */
export function isForWeft(key: string): boolean {
  return /^weft[-_.]/.test(key)
}

/** One of a node's own settings; undefined when its meta has none. */
export function nodeSetting(
  meta: Readonly<Record<string, string>> | undefined,
  key: 'node' | 'locality',
): string | undefined {
  return meta?.[`weft_${key}`] ?? meta?.[`weft-${key}`] ?? meta?.[`weft.${key}`]
}
