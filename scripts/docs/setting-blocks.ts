import { type Setting, type SettingsTree, settingsOf } from '../../mesh/std/settings.ts'
import { attestorKinds } from '../../server/attestor-schema.ts'
import { commonOptions, registryKinds } from '../../server/registry-schema.ts'
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

/** A table of the options of all registries, and one of those of every kind. */
export function registryTables(): string {
  const kinds = Object.entries(registryKinds).map(([kind, { options, required }]) => {
    return registryTable(`Registries of kind \`${kind}\``, options, required)
  })
  return [registryTable('Registries of every kind', commonOptions, []), ...kinds].join('\n\n')
}

/** A table of the options of every kind of attestor. */
export function attestorTables(): string {
  const kinds = Object.entries(attestorKinds).map(([kind, { options, required }]) => {
    return registryTable(`Attestors of kind \`${kind}\``, options, required)
  })
  return kinds.join('\n\n')
}

function registryTable(title: string, options: SettingsTree, required: readonly string[]): string {
  const rows = settingsOf(options).map(([path, setting]) => {
    const key = path.join('.')
    return [code(key), required.includes(key) ? 'required' : code(defaultText(setting)), prose(setting.doc)]
  })
  return [`### ${title}`, '', table(['key', 'default', 'meaning'], rows)].join('\n')
}

function defaultText({ default: value }: Setting): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
