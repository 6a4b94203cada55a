import { fieldKind } from './field-names.ts'
import type { HeadLines } from './head-lines.ts'

/**
 * What of a trailer section is passed on: the names of the allow-list, or all without one. Undefined when that is
 * nothing; `forbidden` when it has what frames or routes a message, or belongs to a connection (RFC 9110 section 6.5.1):
 * whoever merges it into the head would read another message.
 */
export function passedTrailers(
  lines: HeadLines,
  allowed: ReadonlySet<string> | undefined | 'all',
): string[] | undefined | 'forbidden' {
  const passed: string[] = []
  for (let index = 0; index < lines.count; index += 1) {
    const name = lines.names[index] ?? ''
    if (lines.kinds[index] !== fieldKind.plain) return 'forbidden'
    if (allowed === 'all' || allowed?.has(name.toLowerCase())) passed.push(name, lines.values[index] ?? '')
  }
  return passed.length === 0 ? undefined : passed
}
