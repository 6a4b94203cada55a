import { authorityOctets, consistsOf, literalOctets, space, tab, tokenOctets } from './octets.ts'

/** What single fields may say: RFC 9110 and RFC 9112, read strictly. Texts hold an octet a character. */

/** The largest length that is an exact number. */
const maxLengthDigits = 15

/** A Content-Length, or a chunk's; -1 when it is anything but decimal digits. */
export function parseLength(text: string): number {
  let first = 0
  while (first < text.length - 1 && text.charCodeAt(first) === 0x30) first += 1
  if (text.length === 0 || text.length - first > maxLengthDigits) return -1
  let length = 0
  for (let at = first; at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - 0x30
    if (digit < 0 || digit > 9) return -1
    length = length * 10 + digit
  }
  return length
}

/** What a Transfer-Encoding asks for: only `chunked` alone is one we take (RFC 9112 section 6.1). */
export function transferCoding(value: string): 'chunked' | 'unsupported' | 'malformed' {
  if (value === 'chunked' || value.toLowerCase() === 'chunked') return 'chunked'
  const codings = membersOf(value)
  const last = codings.length - 1
  const wellFormed = codings.every(
    (coding, index) => consistsOf(coding, tokenOctets) && (coding !== 'chunked' || index === last),
  )
  return wellFormed ? 'unsupported' : 'malformed'
}

/** The members of a list, in lower case. White space is blanks and tabs only: String.trim knows too much of it. */
export function membersOf(value: string): string[] {
  return value.split(',').map(member => {
    let from = 0
    let to = member.length
    while (from < to && isBlank(member.charCodeAt(from))) from += 1
    while (to > from && isBlank(member.charCodeAt(to - 1))) to -= 1
    return member.slice(from, to).toLowerCase()
  })
}

function isBlank(unit: number): boolean {
  return unit === space || unit === tab
}

/** What Connection lists. */
export interface ConnectionOptions {
  close: boolean
  keepAlive: boolean
  upgrade: boolean
}

/**
 * Adds what one Connection field lists to `into`; false when it is malformed or, in a request, names a field that
 * carries meaning beyond this connection, which whoever obeys it would lose (RFC 9110 section 7.6.1). Other names are
 * not obeyed: only what belongs to a connection by its nature is removed.
 */
export function readConnection(value: string, into: ConnectionOptions, ofRequest: boolean): boolean {
  if (value === 'keep-alive' || value === 'Keep-Alive') {
    into.keepAlive = true
    return true
  }
  for (const option of membersOf(value)) {
    if (option === '') continue
    if (!consistsOf(option, tokenOctets) || (ofRequest && isProtected(option))) return false
    if (option === 'close') into.close = true
    else if (option === 'keep-alive') into.keepAlive = true
    else if (option === 'upgrade') into.upgrade = true
  }
  return true
}

const protectedNames: ReadonlySet<string> = new Set([
  'host',
  'authorization',
  'baggage',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'expect',
  'forwarded',
  'set-cookie',
  'traceparent',
  'tracestate',
  'transfer-encoding',
  'via',
  'x-real-ip',
  'x-request-id',
])
const protectedPrefixes = ['x-forwarded-', 'x-envoy-', 'x-weft-', 'weft-', 'x-istio-', 'x-b3-', 'grpc-']

function isProtected(name: string): boolean {
  return protectedNames.has(name) || protectedPrefixes.some(prefix => name.startsWith(prefix))
}

/** Whether TE lists `trailers`, the only member that is of use beyond a connection. */
export function wantsTrailers(value: string): boolean {
  return value === 'trailers' || membersOf(value).includes('trailers')
}

/** A host and an optional port (RFC 3986 section 3.2), without user information. */
export function validAuthority(text: string): boolean {
  if (!consistsOf(text, authorityOctets)) return false
  const literal = text.charCodeAt(0) === 0x5b
  const hostEnd = literal ? text.indexOf(']') + 1 : text.indexOf(':')
  const host = hostEnd < 0 ? text : text.slice(0, hostEnd)
  const port = hostEnd < 0 ? '' : text.slice(hostEnd)
  if (literal) {
    if (hostEnd === 0 || !consistsOf(host.slice(1, -1), literalOctets)) return false
  } else if (host === '' || host.includes('[') || host.includes(']')) return false
  if (!validPercents(host)) return false
  if (port === '') return true
  const number = port.charCodeAt(0) === 0x3a ? parseLength(port.slice(1)) : -1
  return number >= 0 && number <= 65_535 && port.length <= 6
}

function validPercents(host: string): boolean {
  for (let at = host.indexOf('%'); at >= 0; at = host.indexOf('%', at + 1)) {
    if (Number.isNaN(hexPair(host.charCodeAt(at + 1), host.charCodeAt(at + 2)))) return false
  }
  return true
}

function hexPair(high: number, low: number): number {
  return hexValue(high) * 16 + hexValue(low)
}

function hexValue(unit: number): number {
  return Number.parseInt(String.fromCharCode(unit), 16)
}
