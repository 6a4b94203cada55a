import type { Resource } from '../../mesh/resources/resource.ts'
import { parseDurationMs } from '../../mesh/std/duration.ts'

/** Where the keys of rules come from: a key set's URL, or an issuer whose metadata names it. */
export interface KeySource {
  readonly kind: 'jwks' | 'issuer'
  /** The URL of the key set, or the issuer. */
  readonly uri: string
  /** For each fetch: the longest of the rules that need it. */
  readonly timeoutMs: number
}

const usualTimeoutMs = 5000
const timeoutLimits = { least: 100, most: 30_000 }

/** The sources that RequestAuthentications need; rules with keys of their own need none. Without repetition, by uri. */
export function keySources(resources: readonly Resource[]): readonly KeySource[] {
  const sources = new Map<string, KeySource>()
  for (const resource of resources) {
    if (resource.kind !== 'RequestAuthentication') continue
    for (const { jwks = '', jwksUri, issuer = '', timeout } of resource.spec.jwtRules ?? []) {
      if (jwks !== '' || (jwksUri === undefined && issuer === '')) continue
      const kind = jwksUri === undefined ? 'issuer' : 'jwks'
      const uri = jwksUri ?? issuer
      const known = sources.get(keySourceId({ kind, uri }))?.timeoutMs ?? 0
      sources.set(keySourceId({ kind, uri }), { kind, uri, timeoutMs: Math.max(known, timeoutOf(timeout)) })
    }
  }
  return [...sources.values()]
}

/** Tells sources apart. */
export function keySourceId({ kind, uri }: Pick<KeySource, 'kind' | 'uri'>): string {
  return `${kind} ${uri}`
}

function timeoutOf(text: string | undefined): number {
  const said = text === undefined ? usualTimeoutMs : (parseDurationMs(text) ?? usualTimeoutMs)
  return Math.min(Math.max(said, timeoutLimits.least), timeoutLimits.most)
}
