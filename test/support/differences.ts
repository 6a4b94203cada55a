import { readFileSync } from 'node:fs'

/**
 * The recorded cases that one section of `docs/differences.md` names as decided otherwise on purpose, sorted: everything
 * of the form `<prefix>-<digits>` in backticks.
 */
export function differences(section: string, prefix: string): string[] {
  return [...sectionOf(section).matchAll(/`([a-z]+)-(\d+)`/g)]
    .filter(([, kind]) => kind === prefix)
    .map(([, kind = '', number = '']) => `${kind}-${number}`)
    .toSorted()
}

/** The text of one section, up to the next of its rank; an absent one throws. */
export function sectionOf(section: string): string {
  const text = readFileSync(new URL('../../docs/differences.md', import.meta.url), 'utf8')
  const found = text.split(/^## /m).find(part => part.startsWith(`${section}\n`))
  if (found === undefined) throw new Error(`docs/differences.md has no section ${section}`)
  return found
}
