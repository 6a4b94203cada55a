import { generateKeyPairSync, sign } from 'node:crypto'
import type { RunningConsul } from './consul.ts'

/** An authority that Consul believes when it says who somebody is. */
export interface JwtAuthority {
  /** A token of this subject, good for `lifeS` seconds from now. */
  issue(subject: string, lifeS?: number): string
}

/**
 * Sets up the auth method `weft` of type jwt, which checks with a public key of the test's own, and gives the subject
 * `weft-server` a token with these rules, good for one minute, the shortest that Consul takes.
 */
export async function setUpJwtLogin(consul: RunningConsul, rules: string): Promise<JwtAuthority> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await consul.api('PUT', '/acl/policy', { Name: 'weft-login', Rules: rules })
  await consul.api('PUT', '/acl/role', { Name: 'weft-login', Policies: [{ Name: 'weft-login' }] })
  await consul.api('PUT', '/acl/auth-method', {
    Name: 'weft',
    Type: 'jwt',
    MaxTokenTTL: '1m',
    Config: {
      JWTValidationPubKeys: [publicKey.export({ type: 'spki', format: 'pem' })],
      JWTSupportedAlgs: ['ES256'],
      BoundAudiences: ['consul'],
      BoundIssuer: 'weft-test',
      ClaimMappings: { sub: 'subject' },
    },
  })
  await consul.api('PUT', '/acl/binding-rule', {
    AuthMethod: 'weft',
    BindType: 'role',
    BindName: 'weft-login',
    Selector: 'value.subject == "weft-server"',
  })
  return {
    issue(subject, lifeS = 600) {
      const now = Math.floor(Date.now() / 1000)
      const claims = { iss: 'weft-test', aud: 'consul', sub: subject, iat: now, nbf: now - 10, exp: now + lifeS }
      const text = [{ alg: 'ES256', typ: 'JWT' }, claims]
        .map(part => Buffer.from(JSON.stringify(part)).toString('base64url'))
        .join('.')
      const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
      return `${text}.${signature.toString('base64url')}`
    },
  }
}
