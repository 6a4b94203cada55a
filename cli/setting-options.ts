import type { Command } from 'commander'
import { type SettingsTree, settingsOf } from '../mesh/std/settings.ts'

/** Adds an option for every setting that has a flag, with the setting's own description. */
export function addSettingOptions(command: Command, settings: SettingsTree): Command {
  command.option('-c, --config <file>', 'configuration file, YAML or JSON')
  for (const [, setting] of settingsOf(settings)) {
    if (setting.arg !== undefined) command.option(`--${setting.arg} <value>`, setting.doc)
  }
  return command
}

/** What was given on the command line, by flag name without dashes. */
export function givenSettings(
  command: Command,
  settings: SettingsTree,
): { readonly file: string | undefined; readonly flags: Readonly<Record<string, string>> } {
  const { config, ...values } = command.opts<Record<string, string | undefined>>()
  const flags: Record<string, string> = {}
  for (const [, setting] of settingsOf(settings)) {
    const value = setting.arg === undefined ? undefined : values[camelCase(setting.arg)]
    if (setting.arg !== undefined && value !== undefined) flags[setting.arg] = value
  }
  return { file: config, flags }
}

/** Commander's own naming of options. */
function camelCase(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
