import { didYouMean } from './did-you-mean.ts'
import { type Setting, type SettingsTree, settingFromText, settingsOf, typeName } from './settings.ts'
import { invalidSettings } from './settings-file.ts'

/** One setting of a layer: its dotted path and its value. */
export type SettingValue = readonly [path: string, value: unknown]

/** Reads a setting's text; undefined when the text is not of its type. Throws WEFT_CONFIG_INVALID to say more. */
export type ReadSetting = (setting: Setting, text: string, path: string) => unknown

/**
 * The settings that environment variables give. A variable that begins with the prefix and is no setting's is refused
 * with the one that was probably meant: misspelt, it would silently leave its setting at the default.
 */
export function environmentLayer(
  tree: SettingsTree,
  prefix: string,
  env: Readonly<Record<string, string | undefined>>,
  read: ReadSetting = settingFromText,
): readonly SettingValue[] {
  const all = settingsOf(tree)
  const known = all.map(([, setting]) => setting.env)
  const unknown = Object.keys(env).find(name => name.startsWith(prefix) && !known.includes(name))
  if (unknown !== undefined) {
    throw invalidSettings(`unknown environment variable ${unknown}${hint(unknown, known)}`, { key: unknown })
  }
  return all.flatMap(([path, setting]): SettingValue[] => {
    const text = env[setting.env]
    return text === undefined ? [] : [readValue(setting, path, text, setting.env, read)]
  })
}

/** The settings that command-line flags give, by name without dashes; an unknown flag is refused. */
export function flagLayer(tree: SettingsTree, flags: Readonly<Record<string, string>>): readonly SettingValue[] {
  const all = settingsOf(tree).filter(([, setting]) => setting.arg !== undefined)
  return Object.entries(flags).map(([flag, text]) => {
    const entry = all.find(([, setting]) => setting.arg === flag)
    if (entry === undefined) {
      const known = all.flatMap(([, setting]) => setting.arg ?? [])
      throw invalidSettings(`unknown flag --${flag}${hint(flag, known)}`, { key: flag })
    }
    const [path, setting] = entry
    return readValue(setting, path, text, `--${flag}`, settingFromText)
  })
}

function readValue(setting: Setting, path: readonly string[], text: string, source: string, read: ReadSetting) {
  const key = path.join('.')
  const value = read(setting, text, key)
  if (value === undefined) throw invalidSettings(`${source} must be ${typeName(setting)}`, { key: source })
  return [key, value] as const
}

function hint(word: string, known: readonly string[]): string {
  const meant = didYouMean(word, known)
  return meant === undefined ? '' : `, did you mean ${meant}?`
}
