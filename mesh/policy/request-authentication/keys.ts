import type { CryptoKey, JWK } from 'jose'
import type { ParsedToken } from './parse-token.ts'
import { type TokenFault, tokenFaults } from './token-fault.ts'

/** The public keys of one rule. */
export interface VerificationKeys {
  /**
   * Checks a token's signature with the keys that its `kid` and `alg` allow. A fault that needs no cryptography is answered
   * at once; the promise resolves to undefined when a key fits. Never throws or rejects.
   */
  verify(token: ParsedToken): TokenFault | Promise<TokenFault | undefined>
}

/** What Envoy's jwt_authn can verify, less what is no signature by a private key: never `none`, never `HS*`. */
const algorithms: ReadonlyMap<string, KeyKind> = new Map<string, KeyKind>([
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'].map((alg): [string, KeyKind] => [alg, { kty: 'RSA' }]),
  ['ES256', { kty: 'EC', crv: 'P-256' }],
  ['ES384', { kty: 'EC', crv: 'P-384' }],
  ['ES512', { kty: 'EC', crv: 'P-521' }],
  ['EdDSA', { kty: 'OKP', crv: 'Ed25519' }],
])

interface KeyKind {
  readonly kty: string
  readonly crv?: string
}

/** Reads a JSON Web Key Set (RFC 7517); what is no public key for signatures is passed over. Never throws. */
export function verificationKeys(jwks: string | undefined): VerificationKeys {
  const keys = readKeys(jwks)
  return {
    verify(token) {
      if (keys.length === 0) return tokenFaults.noKeys
      const kind = algorithms.get(token.alg)
      if (kind === undefined) return isSymmetric(token.alg) ? tokenFaults.noKey : tokenFaults.algorithm
      const named = keys.filter(key => isMeant(key, token))
      if (named.length === 0) return tokenFaults.noKey
      const fit = named.filter(({ jwk }) => jwk.kty === kind.kty && (kind.crv === undefined || jwk.crv === kind.crv))
      return fit.length === 0 ? tokenFaults.signature : verifyWithAny(fit, token)
    },
  }
}

interface PublicKey {
  readonly kid: string | undefined
  readonly alg: string | undefined
  readonly jwk: JWK
  /** By algorithm, once asked for; undefined for a key that is none for it. */
  readonly imported: Map<string, Promise<CryptoKey | Uint8Array | undefined>>
}

/** A name that either side leaves out excludes nothing. */
function isMeant({ kid, alg }: PublicKey, token: ParsedToken): boolean {
  return (kid === undefined || token.kid === undefined || kid === token.kid) && (alg === undefined || alg === token.alg)
}

function isSymmetric(alg: string): boolean {
  return alg === 'HS256' || alg === 'HS384' || alg === 'HS512'
}

async function verifyWithAny(keys: readonly PublicKey[], token: ParsedToken): Promise<TokenFault | undefined> {
  // loaded with the first token: an agent without rules for tokens never has it in memory
  const { compactVerify, importJWK } = await import('jose')
  for (const key of keys) {
    let imported = key.imported.get(token.alg)
    if (imported === undefined) {
      imported = importJWK(key.jwk, token.alg).catch(() => undefined)
      key.imported.set(token.alg, imported)
    }
    const material = await imported
    if (material === undefined) continue
    const verified = await compactVerify(token.text, material, { algorithms: [token.alg] }).then(
      () => true,
      () => false,
    )
    if (verified) return undefined
  }
  return tokenFaults.signature
}

function readKeys(jwks: string | undefined): readonly PublicKey[] {
  if (jwks === undefined) return []
  try {
    const set: unknown = JSON.parse(jwks)
    if (typeof set !== 'object' || set === null || !('keys' in set) || !Array.isArray(set.keys)) return []
    return set.keys.flatMap(publicKey)
  } catch {
    return []
  }
}

/** Only what is public is taken over, whatever else the set holds. */
function publicKey(value: unknown): PublicKey[] {
  if (typeof value !== 'object' || value === null) return []
  const text = (name: string): string | undefined => {
    const field: unknown = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
    return typeof field === 'string' && field !== '' ? field : undefined
  }
  const kty = text('kty')
  const use = text('use')
  if (kty === undefined || !['RSA', 'EC', 'OKP'].includes(kty) || (use !== undefined && use !== 'sig')) return []
  const members = ['crv', 'x', 'y', 'n', 'e'].flatMap(name => {
    const member = text(name)
    return member === undefined ? [] : [[name, member] as const]
  })
  return [{ kid: text('kid'), alg: text('alg'), jwk: { kty, ...Object.fromEntries(members) }, imported: new Map() }]
}
