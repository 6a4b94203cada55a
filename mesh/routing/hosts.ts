/**
 * Host names of traffic resources, as Istio compares them (networking.istio.io/v1, `hosts`): exact, or with a wildcard,
 * which is a `*` at the very front that stands for any text. Case counts: callers lower-case first.
 */

/** True for `*`, `*.shop.example` and `*shop.example`. */
export function isWildcard(host: string): boolean {
  return host.startsWith('*')
}

/** True where some name fits both. */
export function hostsOverlap(a: string, b: string): boolean {
  return isSubsetOf(a, b) || isSubsetOf(b, a)
}

/** True where every name that fits `host` fits `other` too. */
export function isSubsetOf(host: string, other: string): boolean {
  if (!isWildcard(other)) return host === other
  if (!isWildcard(host)) return host.endsWith(other.slice(1))
  return host.length >= other.length && host.endsWith(other.slice(1))
}

/** Orders the more specific first: exact before wildcards, longer before shorter, then by the alphabet. */
export function bySpecificity(a: string, b: string): number {
  const kind = Number(isWildcard(a)) - Number(isWildcard(b))
  if (kind !== 0) return kind
  if (a.length !== b.length) return b.length - a.length
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** The most specific of `hosts` that covers all of `host`; undefined without any. */
export function mostSpecificHost(hosts: Iterable<string>, host: string): string | undefined {
  let best: string | undefined
  for (const candidate of hosts) {
    if (!isSubsetOf(host, candidate)) continue
    if (best === undefined || bySpecificity(candidate, best) < 0) best = candidate
  }
  return best
}

/**
 * What is said of something that has several names: by the first of them that is named exactly, else by the most specific
 * wildcard of the first that one covers.
 */
export function ofNames<Value>(
  names: readonly string[],
  exact: ReadonlyMap<string, Value>,
  wildcards: ReadonlyMap<string, Value>,
): Value | undefined {
  for (const name of names) {
    const found = exact.get(name)
    if (found !== undefined) return found
  }
  for (const name of names) {
    const wildcard = mostSpecificHost(wildcards.keys(), name)
    if (wildcard !== undefined) return wildcards.get(wildcard)
  }
  return undefined
}

/** What both lists cover, as the narrower name of each pair, in order and without repeats. */
export function intersectHosts(left: readonly string[], right: readonly string[]): string[] {
  const found = new Set<string>()
  for (const a of left) {
    for (const b of right) {
      if (isSubsetOf(a, b)) found.add(a)
      else if (isSubsetOf(b, a)) found.add(b)
    }
  }
  return [...found]
}

/** The hosts of `<namespace>/<host>` entries that are meant for one namespace; `*` is any, no namespace too. */
export function hostsForNamespace(entries: readonly string[], namespace: string): string[] {
  return entries.flatMap(entry => {
    const slash = entry.indexOf('/')
    if (slash < 0) return [entry]
    const wanted = entry.slice(0, slash)
    return wanted === '*' || wanted === namespace ? [entry.slice(slash + 1)] : []
  })
}

/**
 * The full name of a host as a resource of `namespace` writes it: a name without a dot belongs to the namespace, all
 * others (IPv6 addresses too) are full already. `domain` is what follows `<name>.<namespace>.`, empty for nothing.
 */
export function fullHost(host: string, namespace: string, domain: string): string {
  const isFull = host === '' || host === '*' || host.includes('.') || host.includes(':')
  if (isFull) return host
  return [host, namespace, domain].filter(part => part !== '').join('.')
}
