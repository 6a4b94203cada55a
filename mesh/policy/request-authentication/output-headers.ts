import type { JwtRule } from '../../model/policy.ts'
import { octetsOf } from '../../std/octets.ts'
import { isFramingHeader } from './framing-headers.ts'
import type { ParsedToken } from './parse-token.ts'

/** Names, in lower case, of the headers that a rule writes: no caller may bring them. */
export function outputNames({ outputPayloadToHeader, outputClaimToHeaders }: JwtRule): readonly string[] {
  const payload = outputPayloadToHeader === undefined || outputPayloadToHeader === '' ? [] : [outputPayloadToHeader]
  const names = [...payload, ...(outputClaimToHeaders ?? []).map(({ header }) => header)]
  return [...new Set(names.map(name => name.toLowerCase()))].filter(name => !isFramingHeader(name))
}

/**
 * What a rule tells the backend about a verified token, as flat pairs: the payload as it came, and claims by name or by
 * dotted path. Claims that are missing, empty, or no header can carry are left out.
 */
export function outputHeaders(rule: JwtRule, token: ParsedToken): readonly string[] {
  const { outputPayloadToHeader, outputClaimToHeaders } = rule
  const pairs: string[] = []
  const written = outputNames(rule)
  if (outputPayloadToHeader !== undefined && written.includes(outputPayloadToHeader.toLowerCase())) {
    pairs.push(outputPayloadToHeader.toLowerCase(), token.payload)
  }
  for (const { header, claim } of outputClaimToHeaders ?? []) {
    const value = headerValue(claimOf(token.claims, claim))
    const name = header.toLowerCase()
    if (value !== '' && fitsHeader(value) && written.includes(name)) pairs.push(name, value)
  }
  return pairs
}

/** Anything else would end the header and begin another one. */
function fitsHeader(value: string): boolean {
  for (let at = 0; at < value.length; at += 1) {
    const unit = value.charCodeAt(at)
    if ((unit < 0x20 && unit !== 0x09) || unit === 0x7f) return false
  }
  return true
}

function claimOf(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  let at: unknown = claims
  for (const part of name.split('.')) {
    if (typeof at !== 'object' || at === null || Array.isArray(at) || !Object.hasOwn(at, part)) return undefined
    at = Reflect.get(at, part)
  }
  return at
}

/** As Envoy writes claims: lists and objects as base64 of their JSON, whole numbers from 0 plainly, others with six digits. */
function headerValue(claim: unknown): string {
  if (typeof claim === 'string') return octetsOf(claim)
  if (typeof claim === 'boolean') return String(claim)
  if (typeof claim === 'number') return numberText(claim)
  if (typeof claim !== 'object' || claim === null) return ''
  return Buffer.from(JSON.stringify(claim)).toString('base64')
}

function numberText(value: number): string {
  if (!Number.isInteger(value)) return value.toFixed(6)
  return value >= 0 && value < 2 ** 64 ? BigInt(value).toString() : `${BigInt(value)}.000000`
}
