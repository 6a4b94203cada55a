import { createHmac } from 'node:crypto'
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from 'jose'

/** An issuer of tokens with keys of its own. */
export interface JwtIssuer {
  /** The key set, JSON. */
  jwks(): string
  /** A token as the issuer would write it. */
  sign(claims: JWTPayload, header?: { readonly kid?: string; readonly alg?: string }): Promise<string>
  /** Signed by a key that calls itself like the issuer's. */
  forge(claims: JWTPayload): Promise<string>
  /** Signed by nobody, and by a secret that is the public key. */
  unsigned(claims: JWTPayload): string
  symmetric(claims: JWTPayload): Promise<string>
  /** Makes new keys under another id; the old ones are not published any more. */
  rotate(): Promise<void>
}

export async function createJwtIssuer(alg = 'RS256'): Promise<JwtIssuer> {
  const make = () => generateKeyPair(alg, { modulusLength: 2048, extractable: true })
  let id = 1
  let keys = await make()
  let published = await exportJWK(keys.publicKey)
  const other = await make()
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const kid = () => `key-${id}`
  return {
    jwks: () => JSON.stringify({ keys: [{ ...published, kid: kid(), alg, use: 'sig' }] }),
    sign: (claims, header = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg, kid: kid(), typ: 'JWT', ...header }).sign(keys.privateKey),
    forge: claims => new SignJWT(claims).setProtectedHeader({ alg, kid: kid() }).sign(other.privateKey),
    unsigned: claims => `${part({ alg: 'none', kid: kid() })}.${part(claims)}.`,
    async symmetric(claims) {
      const text = `${part({ alg: 'HS256', kid: kid() })}.${part(claims)}`
      const mac = createHmac('sha256', await exportSPKI(keys.publicKey))
        .update(text)
        .digest('base64url')
      return `${text}.${mac}`
    },
    async rotate() {
      id += 1
      keys = await make()
      published = await exportJWK(keys.publicKey)
    },
  }
}
