import { type Setting, type SettingsTree, settingsOf } from '../../mesh/std/settings.ts'
import { registryKinds } from '../../server/registry-schema.ts'
import { code, prose, table } from './markdown.ts'

/** A table of every setting of a process, in the schema's order. */
export function settingTable(settings: SettingsTree): string {
  const rows = settingsOf(settings).map(([path, setting]) => [
    code(path.join('.')),
    code(defaultText(setting)),
    code(setting.env),
    code(setting.arg === undefined ? '' : `--${setting.arg}`),
    prose(setting.doc),
  ])
  return table(['key', 'default', 'environment', 'flag', 'meaning'], rows)
}

/** A table of the options of every kind of registry. */
export function registryTables(): string {
  return Object.entries(registryKinds)
    .map(([kind, { options, required }]) => {
      const needed: readonly string[] = required
      const rows = settingsOf(options).map(([path, setting]) => {
        const key = path.join('.')
        return [code(key), needed.includes(key) ? 'required' : code(defaultText(setting)), prose(setting.doc)]
      })
      return [`### Registries of kind \`${kind}\``, '', table(['key', 'default', 'meaning'], rows)].join('\n')
    })
    .join('\n\n')
}

function defaultText({ default: value }: Setting): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
