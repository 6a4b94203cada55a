import { isAbsolute, matchesGlob, resolve } from 'node:path'

/** Where files are looked for: one path, or a pattern below a directory. */
export type Pattern =
  | { readonly kind: 'path'; readonly path: string }
  | {
      readonly kind: 'glob'
      /** The part before the first segment with a wildcard. */
      readonly base: string
      /** What comes after it, segment by segment; `**` stands for any number of directories. */
      readonly segments: readonly string[]
    }

const wildcard = /[*?[{]|[!+@]\(/

/**
 * Reads a path or glob: `*`, `?`, `[ab]`, `{a,b}` within one name, and `**` for directories at any depth. A relative one
 * is below `from`.
 */
export function parsePattern(text: string, from: string): Pattern {
  const parts = text.split('/')
  const first = parts.findIndex(part => wildcard.test(part))
  if (first < 0) return { kind: 'path', path: resolve(from, text) }
  const before = parts.slice(0, first).join('/')
  const base = isAbsolute(text) ? resolve('/', before) : resolve(from, before)
  const said = parts.slice(first).filter(part => part !== '' && part !== '.')
  // `**/**` finds the same as `**`, by very many ways
  const segments = said.filter((part, index) => part !== '**' || said[index - 1] !== '**')
  return { kind: 'glob', base, segments }
}

/** Why a text is no path or glob; undefined for one that is. */
export function patternProblem(text: string): string | undefined {
  if (text === '') return 'is empty'
  if (text.includes('\0')) return 'has a NUL character'
  const parts = text.split('/')
  const first = parts.findIndex(part => wildcard.test(part))
  if (first < 0) return undefined
  const rest = parts.slice(first)
  if (rest.includes('..')) return 'has .. after a wildcard'
  const torn = rest.find(part => part.split('{').length !== part.split('}').length)
  return torn === undefined ? undefined : 'has braces that do not close before the next /'
}

/** True when a name fits one segment; names that begin with a dot fit only segments that do. */
export function fits(name: string, segment: string): boolean {
  return name.startsWith('.') === segment.startsWith('.') && matchesGlob(name, segment)
}
