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

/** Recorded requests that the section `Routes` names: a case (`uri-exact-000/3`), or a whole set (`headers-166`). */
export interface ListedRoutes {
  /** Those that the rules come out differently for. */
  readonly decided: readonly string[]
  /** Those that only a running agent deals with differently. */
  readonly seen: readonly string[]
}

export function listedRoutes(): ListedRoutes {
  const [decided = '', seen = ''] = sectionOf('Routes').split('### Seen only through a running agent')
  return { decided: routeNames(decided), seen: routeNames(seen) }
}

function routeNames(text: string): readonly string[] {
  return [...text.matchAll(/`([a-z-]+-\d{3}(?:\/\d+)?)`/g)].flatMap(match => match[1] ?? [])
}

/** Whether a case is named, itself or by its set. */
export function isListed(id: string, listed: readonly string[]): boolean {
  return listed.includes(id) || listed.includes(id.replace(/\/\d+$/, ''))
}

/** The names that none of the cases is named by. */
export function needlessNames(listed: readonly string[], ids: readonly string[]): readonly string[] {
  return listed.filter(name => !ids.some(id => id === name || id.startsWith(`${name}/`)))
}
