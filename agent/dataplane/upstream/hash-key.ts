import type { HashKey } from '../../../mesh/routing/cluster.ts'
import { assertNever } from '../../../mesh/std/assert-never.ts'
import { hash53 } from './hash.ts'

/** What of a request can decide where it goes. */
export interface HashRequest {
  /** Path and query. */
  readonly path: string
  /** Flat pairs, name, value, name, value; names compare without case. */
  readonly headers: readonly string[]
  /** The caller's address, and its port, which tells its connections apart. */
  readonly sourceAddress: string
  readonly sourcePort: number
}

type CookieKey = Extract<HashKey, { kind: 'cookie' }>

/** A cookie that was made because the request brought none. */
export interface MadeCookie {
  /** What requests that bring it will hash to. */
  readonly hash: number
  /** Value of the response's `set-cookie`. */
  readonly setCookie: string
}

/**
 * The hash of what the key names in a request; undefined when the request lacks it, and then any endpoint will do, or
 * {@link makeCookie} makes one up.
 */
export function hashOf(key: HashKey, request: HashRequest): number | undefined {
  const value = inputOf(key, request)
  return value === undefined ? undefined : hash53(value)
}

/**
 * A cookie for a request without one, if the key has a time to live; undefined for other keys. Like Envoy's, its value
 * follows from the caller's connection: requests that race on one connection get the same.
 */
export function makeCookie(key: HashKey, request: HashRequest): MadeCookie | undefined {
  if (key.kind !== 'cookie' || key.ttlMs === undefined) return undefined
  const value = hash53(`${request.sourceAddress} ${request.sourcePort}`).toString(16).padStart(14, '0')
  return { hash: hash53(value), setCookie: setCookie(key, value, key.ttlMs) }
}

function setCookie(key: CookieKey, value: string, ttlMs: number): string {
  const parts = [`${key.name}="${value}"`]
  if (ttlMs > 0) parts.push(`Max-Age=${Math.ceil(ttlMs / 1000)}`)
  if (key.path !== '') parts.push(`Path=${key.path}`)
  for (const { name, value: text } of key.attributes) parts.push(text === '' ? name : `${name}=${text}`)
  parts.push('HttpOnly')
  return parts.join('; ')
}

function inputOf(key: HashKey, request: HashRequest): string | undefined {
  switch (key.kind) {
    case 'header':
      return headerValue(request.headers, key.name)
    case 'cookie':
      return cookieValue(request.headers, key.name)
    case 'source-ip':
      return request.sourceAddress
    case 'query':
      return queryValue(request.path, key.name)
    default:
      return assertNever(key)
  }
}

/** A header that is there several times counts as a set of values, in whatever order they come. */
function headerValue(headers: readonly string[], name: string): string | undefined {
  let first: string | undefined
  let all: string[] | undefined
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (!isNamed(headers[at], name)) continue
    const value = headers[at + 1]
    if (value === undefined) continue
    if (first === undefined) first = value
    else {
      all ??= [first]
      all.push(value)
    }
  }
  return all === undefined ? first : all.sort().join(',')
}

/** The first cookie of that name, without the quotes that may surround its value (RFC 6265 section 4.1.1). */
function cookieValue(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (!isNamed(headers[at], 'cookie')) continue
    const value = parameter(headers[at + 1] ?? '', 0, ';', name)
    if (value === undefined) continue
    const isQuoted = value.length >= 2 && value.startsWith('"') && value.endsWith('"')
    return isQuoted ? value.slice(1, -1) : value
  }
  return undefined
}

/** As it is written: nothing is decoded, so that what differs for the caller differs here. */
function queryValue(path: string, name: string): string | undefined {
  const start = path.indexOf('?')
  if (start < 0) return undefined
  const end = path.indexOf('#', start)
  return parameter(end < 0 ? path : path.slice(0, end), start + 1, '&', name)
}

/** The value of the first `name=value` from `start` on; blanks before a name do not count. Empty for a bare name. */
function parameter(text: string, start: number, separator: string, name: string): string | undefined {
  for (let from = start; from <= text.length; ) {
    const found = text.indexOf(separator, from)
    const to = found < 0 ? text.length : found
    while (text[from] === ' ') from += 1
    if (text.startsWith(name, from)) {
      const after = from + name.length
      if (after === to) return ''
      if (text[after] === '=') return text.slice(after + 1, to)
    }
    from = to + 1
  }
  return undefined
}

function isNamed(header: string | undefined, name: string): boolean {
  if (header === name) return true
  return header !== undefined && header.length === name.length && header.toLowerCase() === name.toLowerCase()
}
