import { type TokenFault, tokenFaults } from './token-fault.ts'

/** A JSON Web Token as it reads, with nothing checked but its form. Times are seconds since 1970. */
export interface ParsedToken {
  /** The whole token. */
  readonly text: string
  readonly alg: string
  readonly kid: string | undefined
  /** The payload as it came, base64url. */
  readonly payload: string
  readonly claims: Record<string, unknown>
  /** Empty when there is none. */
  readonly issuer: string
  readonly subject: string
  readonly audiences: readonly string[]
  readonly notBefore: number | undefined
  readonly expires: number | undefined
}

/** Longer tokens fit no usual limit on headers. */
const maxTokenLength = 16 * 1024
/** Far beyond claims that people write, far below what a parser's or an evaluator's stack holds. */
const maxDepth = 32

/**
 * Reads a token in compact form (RFC 7519). Answers the fault when it is too long or nested too deeply, has not three
 * parts, or a registered claim of another type than RFC 7519 says; never throws.
 */
export function parseToken(text: string): ParsedToken | TokenFault {
  if (text.length > maxTokenLength) return tokenFaults.tooLong
  const [header = '', payload = '', signature = '', ...rest] = text.split('.')
  if (header === '' || payload === '' || signature === '' || rest.length > 0) return tokenFaults.form
  const headerText = decode(header)
  if (headerText === undefined) return tokenFaults.headerBase64
  const headerFields = readObject(headerText)
  if (headerFields === undefined) return tokenFaults.headerJson
  const { alg, kid } = headerFields
  if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return tokenFaults.headerFields
  const payloadText = decode(payload)
  if (payloadText === undefined) return tokenFaults.payloadBase64
  if (depthOf(payloadText) > maxDepth) return tokenFaults.payloadDepth
  const claims = readObject(payloadText)
  if (claims === undefined) return tokenFaults.payloadJson
  if (!isBase64Url(signature)) return tokenFaults.signatureBase64
  const registered = readRegistered(claims)
  return registered === undefined
    ? tokenFaults.payloadFields
    : { text, alg, kid: kid === '' ? undefined : kid, payload, claims, ...registered }
}

type Registered = Pick<ParsedToken, 'issuer' | 'subject' | 'audiences' | 'notBefore' | 'expires'>

function readRegistered({
  iss = '',
  sub = '',
  aud = [],
  iat = 0,
  nbf,
  exp,
}: Record<string, unknown>): Registered | undefined {
  const audiences = typeof aud === 'string' ? [aud] : aud
  if (typeof iss !== 'string' || typeof sub !== 'string' || !isTexts(audiences)) return undefined
  if (!isTime(iat) || !(nbf === undefined || isTime(nbf)) || !(exp === undefined || isTime(exp))) return undefined
  return { issuer: iss, subject: sub, audiences, notBefore: nbf, expires: exp }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isFinite(value)
}

const base64Url = /^[A-Za-z0-9_-]+$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function isBase64Url(text: string): boolean {
  return text.length % 4 !== 1 && base64Url.test(text)
}

function decode(part: string): string | undefined {
  if (!isBase64Url(part)) return undefined
  const octets = Buffer.from(part, 'base64url')
  try {
    return utf8.decode(octets)
  } catch {
    // no JSON is anything but UTF-8: what is left is refused as that
    return ''
  }
}

function readObject(text: string): Record<string, unknown> | undefined {
  if (depthOf(text) > maxDepth) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** How deeply objects and lists are nested in a JSON text, told without parsing it. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let inText = false
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    if (inText) {
      if (unit === 0x5c) at += 1
      else if (unit === 0x22) inText = false
    } else if (unit === 0x22) inText = true
    else if (unit === 0x5b || unit === 0x7b) deepest = Math.max(deepest, ++depth)
    else if (unit === 0x5d || unit === 0x7d) depth -= 1
  }
  return deepest
}
