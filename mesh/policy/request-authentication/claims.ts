import type { ParsedToken } from './parse-token.ts'
import { type TokenFault, tokenFaults } from './token-fault.ts'

/** What a rule asks of registered claims. */
export interface ClaimNeeds {
  /** Empty for any issuer. */
  readonly issuer: string
  /** As {@link sanitizedAudiences} gives them; empty for any audience. */
  readonly audiences: ReadonlySet<string>
}

/** How far clocks may be apart, as in Envoy. */
const clockSkewSeconds = 60

/**
 * Judges issuer, time and audience, in this order and before the signature, as Envoy's jwt_authn does; undefined when all
 * are right. `now` is in milliseconds since 1970.
 */
export function checkClaims(token: ParsedToken, needs: ClaimNeeds, now: number): TokenFault | undefined {
  if (needs.issuer !== '' && token.issuer !== needs.issuer) return tokenFaults.issuer
  const seconds = Math.floor(now / 1000)
  if (token.notBefore !== undefined && token.notBefore > seconds + clockSkewSeconds) return tokenFaults.notYet
  if (token.expires !== undefined && seconds > token.expires + clockSkewSeconds) return tokenFaults.expired
  if (needs.audiences.size === 0) return undefined
  const isFor = token.audiences.some(audience => needs.audiences.has(sanitized(audience)))
  return isFor ? undefined : tokenFaults.audience
}

/** Audiences as they are compared: without `http://` or `https://` before them and a slash after them. */
export function sanitizedAudiences(audiences: readonly string[]): ReadonlySet<string> {
  return new Set(audiences.map(sanitized))
}

function sanitized(audience: string): string {
  const end = audience.endsWith('/') ? audience.length - 1 : audience.length
  for (const scheme of ['https://', 'http://']) {
    if (audience.startsWith(scheme)) return audience.slice(scheme.length, end)
  }
  return audience.slice(0, end)
}
