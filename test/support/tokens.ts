import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { JwtRule, Policy, PolicyConfig, RequestAuthenticationSpec } from '../../mesh/model/policy.ts'
import type { TokenRequest } from '../../mesh/policy/request-authentication/token-outcome.ts'

/** A key pair of a test, and how it signs: written without the library that verifies. */
export interface SigningKey {
  readonly alg: string
  readonly jwk: Readonly<Record<string, unknown>>
  readonly privateJwk: Readonly<Record<string, unknown>>
  sign(input: string): Buffer
}

/** A new key for one of JWS' algorithms (RFC 7518, 3.1; RFC 8037). */
export function signingKey(alg: string, kid?: string): SigningKey {
  const { publicKey, privateKey } = keyPair(alg)
  const named = kid === undefined ? {} : { kid }
  return {
    alg,
    jwk: { ...publicKey.export({ format: 'jwk' }), ...named },
    privateJwk: { ...privateKey.export({ format: 'jwk' }), ...named },
    sign: input => signWith(alg, privateKey, Buffer.from(input)),
  }
}

/** A token in compact form. `header` is added to `alg`, and may replace it. */
export function token(key: SigningKey, claims: unknown, header: Readonly<Record<string, unknown>> = {}): string {
  const { kid } = key.jwk
  const protectedHeader = { alg: key.alg, ...(kid === undefined ? {} : { kid }), ...header }
  return tokenOf(key, JSON.stringify(protectedHeader), JSON.stringify(claims))
}

/** A token of these very texts. */
export function tokenOf(key: SigningKey, header: string, payload: string): string {
  const input = `${base64Url(header)}.${base64Url(payload)}`
  return `${input}.${key.sign(input).toString('base64url')}`
}

export function base64Url(text: string): string {
  return Buffer.from(text).toString('base64url')
}

export function jwksOf(...keys: readonly SigningKey[]): string {
  return JSON.stringify({ keys: keys.map(({ jwk }) => jwk) })
}

/** A config with one RequestAuthentication in the namespace `shop` for each list of rules. */
export function tokenConfig(...policies: readonly (readonly JwtRule[])[]): PolicyConfig {
  return configOf(policies.map((jwtRules, index) => tokenPolicy({ name: `tokens-${index}` }, { jwtRules })))
}

export function configOf(requestAuthentication: readonly Policy<RequestAuthenticationSpec>[]): PolicyConfig {
  return {
    rootNamespace: 'weft-system',
    trustDomain: 'mesh',
    trustDomainAliases: [],
    authorization: [],
    requestAuthentication,
    unreadable: [],
  }
}

export function tokenPolicy(
  metadata: Partial<Omit<Policy<unknown>, 'spec'>>,
  spec: RequestAuthenticationSpec,
): Policy<RequestAuthenticationSpec> {
  return { namespace: 'shop', name: 'tokens', createdAt: 0, dryRun: false, ...metadata, spec }
}

/** A GET of `https://cart/items` with these headers. */
export function tokenRequest(headers: readonly string[] = [], rest: Partial<TokenRequest> = {}): TokenRequest {
  return { method: 'GET', scheme: 'https', authority: 'cart', path: '/items', headers, ...rest }
}

export function bearer(text: string): readonly string[] {
  return ['Authorization', `Bearer ${text}`]
}

function keyPair(alg: string): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519')
  const curve = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[alg]
  if (curve !== undefined) return generateKeyPairSync('ec', { namedCurve: curve })
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}

function signWith(alg: string, key: KeyObject, input: Buffer): Buffer {
  if (alg === 'EdDSA') return sign(null, input, key)
  const hash = `sha${alg.slice(2)}`
  if (alg.startsWith('ES')) return sign(hash, input, { key, dsaEncoding: 'ieee-p1363' })
  // 6 is RSASSA-PSS (RFC 8017, 8.1), its salt as long as the hash
  if (alg.startsWith('PS')) return sign(hash, input, { key, padding: 6, saltLength: Number(alg.slice(2)) / 8 })
  return sign(hash, input, key)
}
