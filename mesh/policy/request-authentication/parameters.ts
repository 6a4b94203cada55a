/** Query parameters of a request's target: percent-encoding is decoded in names and values, `+` is itself. */

/** All values of a parameter, in order; empty for one without a value. */
export function parameterValues(path: string, name: string): readonly string[] {
  const query = path.indexOf('?')
  if (query === -1) return []
  return path
    .slice(query + 1)
    .split('&')
    .filter(part => nameOf(part) === name)
    .map(textOf)
}

/** The target without any parameter of the names; what stays, stays as it is written. */
export function withoutParameters(path: string, names: readonly string[]): string {
  const query = path.indexOf('?')
  if (query === -1) return path
  const parts = path.slice(query + 1).split('&')
  const kept = parts.filter(part => !names.includes(nameOf(part)))
  if (kept.length === parts.length) return path
  return kept.length === 0 ? path.slice(0, query) : `${path.slice(0, query)}?${kept.join('&')}`
}

function nameOf(part: string): string {
  const end = part.indexOf('=')
  return decode(end === -1 ? part : part.slice(0, end))
}

function textOf(part: string): string {
  const end = part.indexOf('=')
  return end === -1 ? '' : decode(part.slice(end + 1))
}

function decode(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
