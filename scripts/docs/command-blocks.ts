import type { Command, Option } from 'commander'
import { createContext } from '../../cli/context.ts'
import { buildProgram } from '../../cli/program.ts'
import { systemClock } from '../../mesh/std/clock.ts'
import { code, prose, table } from './markdown.ts'

/** The `weft` command as it is, for reading only: it reaches no server. */
export function programForReading(): Command {
  const context = createContext(
    systemClock,
    () => {},
    () => {
      throw new Error('the program is only read')
    },
    () => {
      throw new Error('the program is only read')
    },
  )
  return buildProgram(context)
}

/** Every command that does something, with its full name: `weft token create`. */
export function leafCommands(
  command: Command,
  parents: readonly string[] = [],
): readonly { readonly name: string; readonly command: Command }[] {
  const path = [...parents, command.name()]
  if (command.commands.length === 0) return [{ name: path.join(' '), command }]
  return command.commands.flatMap(child => leafCommands(child, path))
}

/** A section for every command: how it is called, what it does, its arguments and options. */
export function commandSections(): string {
  return leafCommands(programForReading())
    .map(({ name, command }) => section(name, command))
    .join('\n\n')
}

function section(name: string, command: Command): string {
  const description = command.description()
  const parts = [
    `### ${name}`,
    `\`${name} ${command.usage()}\`: ${prose(description)}.`,
    ...(command.registeredArguments.length === 0 ? [] : [argumentTable(command)]),
    ...(command.options.length === 0 ? [] : [optionTable(command.options)]),
  ]
  return parts.join('\n\n')
}

function argumentTable(command: Command): string {
  const rows = command.registeredArguments.map(one => [
    code(one.required ? `<${one.name()}>` : `[${one.name()}]`),
    one.description === '' ? '–' : prose(one.description),
  ])
  return table(['argument', 'meaning'], rows)
}

function optionTable(options: readonly Option[]): string {
  const rows = options.map(option => [
    code(option.flags),
    option.mandatory ? 'required' : defaultOf(option),
    prose(option.description),
  ])
  return table(['option', 'default', 'meaning'], rows)
}

function defaultOf({ defaultValue }: Option): string {
  return typeof defaultValue === 'string' ? code(defaultValue) : '–'
}
