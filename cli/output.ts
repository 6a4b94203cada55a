import { stringify } from 'yaml'
import { MeshError } from '../mesh/std/errors.ts'

export const outputFormats = ['table', 'wide', 'json', 'yaml'] as const
export type OutputFormat = (typeof outputFormats)[number]

/** Reads the `-o` option; throws WEFT_USAGE. */
export function parseOutputFormat(text: string): OutputFormat {
  const format = outputFormats.find(one => one === text)
  if (format !== undefined) return format
  throw new MeshError('WEFT_USAGE', `${text} is no output format`, { next: `use one of ${outputFormats.join(', ')}` })
}

/**
 * The result of a command as text, without a final line break: JSON and YAML carry the value whole, the table is made
 * for people by the caller, who may know a wider one.
 */
export function formatOutput(format: OutputFormat, value: unknown, table: () => string): string {
  switch (format) {
    case 'json':
      return JSON.stringify(value, null, 2)
    case 'yaml':
      return stringify(value).trimEnd()
    case 'table':
    case 'wide':
      return table()
  }
}

/** Columns as wide as their widest cell, two spaces apart; `none` stands where there are no rows. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], none: string): string {
  if (rows.length === 0) return none
  const clean = rows.map(row => row.map(printable))
  const widths = head.map((title, at) => Math.max(title.length, ...clean.map(row => (row[at] ?? '').length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, at) => (at === cells.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd()
  return [line(head.map(title => title.toUpperCase())), ...clean.map(line)].join('\n')
}

/** A duration as people say it: `3 s`, `12 min`, `5 h`, `2 d`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  if (seconds < 120) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`
}

/** A share as people say it: `90 %`, `33.3 %`. */
export function formatPercent(percent: number): string {
  return `${Number(percent.toFixed(1))} %`
}

/** Names come from registries and hosts: nothing of them may steer the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, '?')
}
