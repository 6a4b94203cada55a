import type { Dialect } from './dialect.ts'
import { consistsOf, type FieldKind, FieldNames, fieldKind, octets } from './field-names.ts'
import type { HeaderList } from './stream.ts'

/*
 * Whether a header list may be a request, a response or trailers: RFC 9113 sections 8.2 and 8.3, RFC 9110 section 5.
 * A list that may not is malformed and its stream is reset, so that nothing behind this layer sees one.
 */

/** What a well-formed list says about the message it begins. */
export interface MessageHead {
  /** A request with the method CONNECT: a tunnel, which has no trailers and no length. */
  readonly connect: boolean
  /** The status of a response, 0 for a request. */
  readonly status: number
  /** The declared length of the payload in bytes, or -1. */
  readonly contentLength: number
  /** The request method is HEAD: the response has a length but no payload. */
  readonly head: boolean
}

/** How the fields of one connection are judged. */
export interface FieldRules {
  readonly names: FieldNames
  /** `upgrade` fields and `:status` 101 are allowed. */
  readonly upgrades: boolean
  /**
   * The list that was judged last and the kinds of its names: lists of one connection resemble each other, and a decoder
   * with a table gives the same strings again, so most fields cost two comparisons of pointers.
   */
  readonly last: string[]
  readonly lastKinds: FieldKind[]
}

/** The rules of a dialect, for one connection. */
export function fieldRules(dialect: Dialect): FieldRules {
  const upgrades = dialect === 'weft'
  return { names: new FieldNames(upgrades), upgrades, last: [], lastKinds: [] }
}

const tokenOctets = octets(/[!#$%&'*+\-.^_`|~0-9a-z]/)
const methodOctets = octets(/[!#$%&'*+\-.^_`|~0-9A-Za-z]/)
const authorityOctets = octets(/[!$%&'()*+,\-.:;=_~[\]0-9A-Za-z]/)

const connectHead: MessageHead = { connect: true, status: 0, contentLength: -1, head: false }

/** Checks a request; undefined when it is malformed. */
export function checkRequest(headers: HeaderList, rules: FieldRules): MessageHead | undefined {
  let method: string | undefined
  let scheme: string | undefined
  let path: string | undefined
  let authority: string | undefined
  let at = 0
  for (; at < headers.length && headers[at]?.charCodeAt(0) === 0x3a; at += 2) {
    const value = headers[at + 1] ?? ''
    switch (headers[at]) {
      case ':method':
        if (method !== undefined || !consistsOf(value, methodOctets)) return undefined
        method = value
        break
      case ':scheme':
        if (scheme !== undefined || !consistsOf(value, tokenOctets)) return undefined
        scheme = value
        break
      case ':path':
        if (path !== undefined || !validPath(value)) return undefined
        path = value
        break
      case ':authority':
        if (authority !== undefined || !consistsOf(value, authorityOctets)) return undefined
        authority = value
        break
      default:
        return undefined
    }
  }
  if (method === undefined) return undefined
  const contentLength = checkFields(headers, at, rules)
  if (contentLength === malformed) return undefined
  if (method === 'CONNECT') {
    return scheme === undefined && path === undefined && authority !== undefined ? connectHead : undefined
  }
  if (scheme === undefined || path === undefined || (path === '*' && method !== 'OPTIONS')) return undefined
  return { connect: false, status: 0, contentLength, head: method === 'HEAD' }
}

/** Checks a response, informational ones included; undefined when it is malformed. */
export function checkResponse(headers: HeaderList, rules: FieldRules): MessageHead | undefined {
  if (headers[0] !== ':status') return undefined
  const status = parseStatus(headers[1] ?? '')
  const contentLength = checkFields(headers, 2, rules)
  if (status === 0 || contentLength === malformed || (status === 101 && !rules.upgrades)) return undefined
  return { connect: false, status, contentLength, head: false }
}

/** Checks trailers: fields only. */
export function checkTrailers(headers: HeaderList, rules: FieldRules): boolean {
  return checkFields(headers, 0, rules) !== malformed
}

const malformed = -2

/** Checks the fields from `from` on; returns the content length, -1 without one, or {@link malformed}. */
function checkFields(headers: HeaderList, from: number, rules: FieldRules): number {
  const { last, lastKinds } = rules
  let contentLength = -1
  for (let at = from; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const value = headers[at + 1] ?? ''
    let kind = lastKinds[at >> 1]
    if (kind === undefined || last[at] !== name || last[at + 1] !== value) {
      if (!validValue(value)) return malformed
      kind = rules.names.kindOf(name)
      for (let slot = lastKinds.length; slot < at >> 1; slot += 1) remember(rules, slot, ':', '', fieldKind.malformed)
      remember(rules, at >> 1, name, value, kind)
    }
    if (kind === fieldKind.plain) continue
    if (kind === fieldKind.contentLength) {
      const length = parseLength(value)
      if (length < 0 || (contentLength >= 0 && contentLength !== length)) return malformed
      contentLength = length
    } else if (kind === fieldKind.te ? value !== 'trailers' : kind !== fieldKind.upgrade || !rules.upgrades) {
      return malformed
    }
  }
  return contentLength
}

function remember({ last, lastKinds }: FieldRules, slot: number, name: string, value: string, kind: FieldKind): void {
  last[slot * 2] = name
  last[slot * 2 + 1] = value
  lastKinds[slot] = kind
}

/** Whether a request asks for another protocol. */
export function asksForUpgrade(headers: HeaderList, rules: FieldRules): boolean {
  if (!rules.upgrades) return false
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (name.length === 7 && rules.names.kindOf(name) === fieldKind.upgrade) return true
  }
  return false
}

/** No NUL, CR or LF anywhere, no space or tab at the ends: RFC 9113 section 8.2.1. */
function validValue(value: string): boolean {
  const length = value.length
  if (length === 0) return true
  for (let at = 0; at < length; at += 1) {
    const unit = value.charCodeAt(at)
    if (unit === 0 || unit === 0x0a || unit === 0x0d) return false
  }
  return !isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(length - 1))
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || unit === 0x09
}

/** Origin form or the asterisk: printable ASCII without spaces. Fragments and the rest are the HTTP layer's matter. */
function validPath(path: string): boolean {
  if (path !== '*' && path.charCodeAt(0) !== 0x2f) return false
  for (let at = 0; at < path.length; at += 1) {
    const unit = path.charCodeAt(at)
    if (unit <= 0x20 || unit >= 0x7f) return false
  }
  return true
}

function parseStatus(text: string): number {
  if (text.length !== 3) return 0
  const status = parseLength(text)
  return status >= 100 && status <= 999 ? status : 0
}

/** Digits only; at most fifteen of them, so that the number is exact. */
function parseLength(text: string): number {
  if (text.length === 0 || text.length > 15) return -1
  let length = 0
  for (let at = 0; at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - 0x30
    if (digit < 0 || digit > 9) return -1
    length = length * 10 + digit
  }
  return length
}
