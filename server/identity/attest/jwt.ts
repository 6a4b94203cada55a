import { createHash } from 'node:crypto'
import { decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose'
import { describeError, MeshError } from '../../../mesh/std/errors.ts'
import { type Proof, refused } from './attestor.ts'
import type { KeyRing } from './key-ring.ts'

/** What a token must be. */
export interface TokenRules {
  readonly keys: KeyRing
  /** The only audience that the token may have: one for several could be used by any of them. */
  readonly audience: string
  /** Undefined where the issuer writes none. */
  readonly issuer?: string | undefined
  /** Longest time from `iat` to `exp`, milliseconds. */
  readonly maxLifeMs: number
  /** Whether a token without `exp` is taken, for the longest life after its `iat`. */
  readonly allowNoExpiry: boolean
}

/** A verified token. */
export interface VerifiedJwt {
  readonly claims: JWTPayload
  readonly proof: Proof
}

/** Neither `none` nor anything symmetric: a public key must never do as a secret. */
const algorithms = ['RS256', 'EdDSA']
const skewSeconds = 60

/**
 * Verifies signature, algorithm, key id, issuer, audience and times of a token (RFC 7519, RFC 8725). Throws
 * WEFT_EVIDENCE_REFUSED, and what reading the keys throws.
 */
export async function verifyJwt(text: string, rules: TokenRules, now: number): Promise<VerifiedJwt> {
  const token = text.trim()
  const { issuer, audience, maxLifeMs, allowNoExpiry } = rules
  checkHeader(token)
  let claims: JWTPayload
  try {
    const verified = await jwtVerify(token, rules.keys.key, {
      algorithms,
      audience,
      ...(issuer === undefined ? {} : { issuer }),
      clockTolerance: skewSeconds,
      currentDate: new Date(now),
    })
    claims = verified.payload
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw refused(`token is not valid: ${describeError(error)}`, {}, error)
  }
  if (claims.aud !== audience && !(Array.isArray(claims.aud) && claims.aud.length === 1)) {
    throw refused('token is for more audiences than the mesh', { audience: claims.aud })
  }
  const { iat, exp } = claims
  if (iat === undefined) throw refused('token does not say when it was issued')
  if (iat * 1000 > now + skewSeconds * 1000) throw refused('token was issued in the future')
  if (exp === undefined && !allowNoExpiry) throw refused('token does not expire')
  if (exp !== undefined && (exp - iat) * 1000 > maxLifeMs) throw refused('token lives too long', { iat, exp })
  const expiresAt = exp === undefined ? iat * 1000 + maxLifeMs : exp * 1000
  if (expiresAt + skewSeconds * 1000 <= now) throw refused('token is too old', { iat })
  // by the whole text: an id is the issuer's to choose, and some leave it out
  const id = createHash('sha256').update(token).digest('hex')
  return { claims, proof: { id, expiresAt: expiresAt + skewSeconds * 1000 } }
}

function checkHeader(token: string): void {
  let header: { readonly alg?: string | undefined; readonly kid?: string | undefined }
  try {
    header = decodeProtectedHeader(token)
  } catch (cause) {
    throw refused('evidence is no signed token', {}, cause)
  }
  if (!algorithms.includes(header.alg ?? '')) throw refused('token has an algorithm that is not allowed', { ...header })
  if (typeof header.kid !== 'string') throw refused('token does not name its key')
}

/** A claim that is text and not empty; throws WEFT_EVIDENCE_REFUSED. */
export function textClaim(claims: JWTPayload, name: string): string {
  const value = claims[name]
  if (typeof value !== 'string' || value === '') throw refused('token lacks a claim', { claim: name })
  return value
}
