/** Whether a service of Consul is followed, by its name and the tags of all its instances. */
export type Selection = (name: string, tags: readonly string[]) => boolean

/**
 * Takes the services that fit one of the patterns, all where there is none, without those that fit an excluding one. A
 * pattern is a name or, with `tag:` before it, a tag; `*` in it stands for any text.
 */
export function createSelection(services: readonly string[], excludeServices: readonly string[]): Selection {
  const takes = services.map(parsePattern)
  const leaves = excludeServices.map(parsePattern)
  return (name, tags) =>
    (takes.length === 0 || takes.some(fits => fits(name, tags))) && !leaves.some(fits => fits(name, tags))
}

function parsePattern(text: string): Selection {
  const tag = /^tag:(.*)$/s.exec(text)?.[1]
  const matches = wildcard(tag ?? text)
  return tag === undefined ? matches : (_, tags) => tags.some(matches)
}

/** Looks for the parts between the stars one after the other, each as early as possible: never slower than the text is long. */
function wildcard(pattern: string): (text: string) => boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return text => text === first
  return text => {
    if (!text.startsWith(first) || !text.endsWith(last)) return false
    let at = first.length
    for (const part of rest) {
      const found = text.indexOf(part, at)
      if (found < 0) return false
      at = found + part.length
    }
    return at <= text.length - last.length
  }
}
