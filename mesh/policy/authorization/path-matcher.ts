import { createTextMatcher, type TextMatcher } from './text-matcher.ts'

/**
 * Matches paths without query: Istio's patterns, and templates, in which `{*}` is one segment that is not empty, and
 * `{**}` any number of characters, slashes too (authorization_policy.proto, Operation.paths).
 * Undefined when a template is malformed.
 */
export function createPathMatcher(patterns: readonly string[]): TextMatcher | undefined {
  const written = patterns.filter(isPathTemplate)
  if (!written.every(isWellFormed)) return undefined
  const templates = written.map(createTemplate)
  const plain = patterns.filter(pattern => !isPathTemplate(pattern))
  const matchesPlain = createTextMatcher(plain)
  if (templates.length === 0) return matchesPlain
  return path => {
    for (const matches of templates) if (matches(path)) return true
    return matchesPlain(path)
  }
}

/** Whether a pattern of `paths` is a template. */
export function isPathTemplate(pattern: string): boolean {
  return pattern.includes('{*}') || pattern.includes('{**}')
}

const slash = 0x2f

/** Templates are whole segments, and none comes after `{**}`. */
function isWellFormed(template: string): boolean {
  const segments = template.split('/')
  const rest = segments.indexOf('{**}')
  return segments.every((segment, at) =>
    segment === '{*}' || segment === '{**}' ? rest < 0 || at <= rest : !/[*{}]/.test(segment),
  )
}

function createTemplate(template: string): TextMatcher {
  const open = template.indexOf('{**}')
  const literals = (open < 0 ? template : template.slice(0, open)).split('{*}')
  const [first = '', ...rest] = literals
  // after `{**}` stands nothing but text: it is the last template of a path
  const end = open < 0 ? undefined : template.slice(open + '{**}'.length)
  return path => {
    if (!path.startsWith(first)) return false
    let at = first.length
    for (const literal of rest) {
      const start = at
      while (at < path.length && path.charCodeAt(at) !== slash) at += 1
      if (at === start || !path.startsWith(literal, at)) return false
      at += literal.length
    }
    return end === undefined ? at === path.length : path.length - end.length >= at && path.endsWith(end)
  }
}
