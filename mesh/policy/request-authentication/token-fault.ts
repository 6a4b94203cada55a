/**
 * Why a token is refused: the status of the answer (RFC 6750, 3.1) and its text. Texts that clients and dashboards know
 * from Envoy's jwt_authn are worded as there.
 */
export interface TokenFault {
  readonly status: 401 | 403
  readonly reason: string
}

export const tokenFaults = {
  form: refused('Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'),
  tooLong: refused('Jwt is longer than 16 KiB'),
  tooMany: refused('Request carries more than 8 Jwts for one rule'),
  headerBase64: refused('Jwt header is an invalid Base64url encoded'),
  headerJson: refused('Jwt header is an invalid JSON'),
  headerFields: refused('Jwt header [alg] or [kid] is not a string'),
  algorithm: refused('Jwt header [alg] is not supported'),
  payloadBase64: refused('Jwt payload is an invalid Base64url encoded'),
  payloadJson: refused('Jwt payload is an invalid JSON'),
  payloadDepth: refused('Jwt payload is nested deeper than 32 levels'),
  payloadFields: refused('Jwt payload has a registered claim of a wrong type'),
  signatureBase64: refused('Jwt signature is an invalid Base64url encoded'),
  issuer: refused('Jwt issuer is not configured'),
  notYet: refused('Jwt not yet valid'),
  expired: refused('Jwt is expired'),
  audience: { status: 403, reason: 'Audiences in Jwt are not allowed' },
  noKeys: refused('Jwks does not have any valid public key'),
  noKey: refused("Jwks doesn't have key to match kid or alg from Jwt"),
  signature: refused('Jwt verification fails'),
} as const satisfies Readonly<Record<string, TokenFault>>

function refused(reason: string): TokenFault {
  return { status: 401, reason }
}
