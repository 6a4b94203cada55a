import type { Resource } from '../../mesh/resources/resource.ts'
import { parseDurationMs } from '../../mesh/std/duration.ts'

/** Where the keys of rules come from: a key set's URL, or an issuer whose metadata names it. */
export interface KeySource {
  readonly kind: 'jwks' | 'issuer'
  /** The URL of the key set, or the issuer. */
  readonly uri: string
  /** For each fetch: the longest of the rules that need it. */
  readonly timeoutMs: number
  /** That needs it, and among several the one that needs the fewest: nobody's sources wait for those of others. */
  readonly namespace: string
}

const usualTimeoutMs = 5000
const timeoutLimits = { least: 100, most: 30_000 }

/** The sources that RequestAuthentications need; rules with keys of their own need none. Without repetition. */
export function keySources(resources: readonly Resource[]): readonly KeySource[] {
  const needed = resources.flatMap(needs)
  const countOf = new Map<string, number>()
  for (const { namespace } of needed) countOf.set(namespace, (countOf.get(namespace) ?? 0) + 1)
  const fewest = (a: string, b: string) => ((countOf.get(b) ?? 0) < (countOf.get(a) ?? 0) ? b : a)
  const sources = new Map<string, KeySource>()
  for (const source of needed) {
    const id = keySourceId(source)
    const known = sources.get(id) ?? source
    const timeoutMs = Math.max(known.timeoutMs, source.timeoutMs)
    sources.set(id, { ...source, timeoutMs, namespace: fewest(known.namespace, source.namespace) })
  }
  return [...sources.values()]
}

function needs(resource: Resource): readonly KeySource[] {
  if (resource.kind !== 'RequestAuthentication') return []
  const { namespace } = resource.metadata
  return (resource.spec.jwtRules ?? []).flatMap(({ jwks = '', jwksUri, issuer = '', timeout }): KeySource[] => {
    if (jwks !== '' || (jwksUri === undefined && issuer === '')) return []
    const kind = jwksUri === undefined ? 'issuer' : 'jwks'
    return [{ kind, uri: jwksUri ?? issuer, timeoutMs: timeoutOf(timeout), namespace }]
  })
}

/** Tells sources apart. */
export function keySourceId({ kind, uri }: Pick<KeySource, 'kind' | 'uri'>): string {
  return `${kind} ${uri}`
}

function timeoutOf(text: string | undefined): number {
  const said = text === undefined ? usualTimeoutMs : (parseDurationMs(text) ?? usualTimeoutMs)
  return Math.min(Math.max(said, timeoutLimits.least), timeoutLimits.most)
}
