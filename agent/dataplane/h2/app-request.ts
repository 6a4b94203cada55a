import type { HeaderList } from './stream.ts'

/** A request that can be answered although it must not be served: the status, and why. */
export interface Refusal {
  readonly status: '400' | '405' | '431'
  readonly detail: string
}

/** Where the parts of a request's head stand in its list: the index of each value, or 0. */
interface Parts {
  method: number
  scheme: number
  authority: number
  path: number
  /** Index of the name of the one `host` field, or -1; -2 when there are several. */
  host: number
  /** Some name has an underscore: applications behind gateways of old read it as a dash, and with it our own fields. */
  underscore: boolean
}

/**
 * Judges what an application asks beyond RFC 9113, whose checks follow: what two readers could understand in two ways is
 * refused (user information, fragments, bytes beyond ASCII, a `host` that differs from `:authority`, a method in lower
 * case, a scheme that the connection is not). `host` is taken off, or becomes the `:authority` when there is none.
 */
export function prepareAppRequest(headers: string[], scheme: 'http' | 'https'): Refusal | undefined {
  const parts = partsOf(headers)
  if (parts.underscore) return refusals.underscore
  const method = headers[parts.method] ?? ''
  if (method === 'CONNECT') return refusals.connect
  if (hasLowerCase(method)) return refusals.method
  if (parts.scheme > 0 && headers[parts.scheme] !== scheme) return refusals.scheme
  const path = headers[parts.path] ?? ''
  if (path.includes('#') || isBeyondAscii(path)) return refusals.path
  const problem = settleHost(headers, parts)
  if (problem !== undefined) return problem
  const authority = headers[parts.authority] ?? ''
  return authority.includes('@') || authority.includes('#') || isBeyondAscii(authority) ? refusals.authority : undefined
}

function settleHost(headers: string[], parts: Parts): Refusal | undefined {
  if (parts.host === -2) return refusals.hosts
  if (parts.host === -1) return parts.authority > 0 ? undefined : refusals.noAuthority
  const host = headers[parts.host + 1] ?? ''
  // behind the pseudo-headers, so that their places stay; where it is not, the list is malformed and refused for that
  headers.splice(parts.host, 2)
  if (parts.authority > 0) return sameHost(host, headers[parts.authority] ?? '') ? undefined : refusals.host
  headers.unshift(':authority', host)
  parts.authority = 1
  return undefined
}

function partsOf(headers: HeaderList): Parts {
  const parts: Parts = { method: 0, scheme: 0, authority: 0, path: 0, host: -1, underscore: false }
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? ''
    if (name === 'host') parts.host = parts.host === -1 ? at : -2
    else if (name === ':method') parts.method = at + 1
    else if (name === ':scheme') parts.scheme = at + 1
    else if (name === ':authority') parts.authority = at + 1
    else if (name === ':path') parts.path = at + 1
    else if (name.includes('_')) parts.underscore = true
  }
  return parts
}

function sameHost(one: string, other: string): boolean {
  return one === other || one.toLowerCase() === other.toLowerCase()
}

function hasLowerCase(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    if (unit >= 0x61 && unit <= 0x7a) return true
  }
  return false
}

function isBeyondAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) >= 0x80) return true
  return false
}

const refusals = {
  underscore: { status: '400', detail: 'a field name has an underscore' },
  connect: { status: '405', detail: 'CONNECT is not served' },
  method: { status: '400', detail: 'the method has lower-case letters' },
  scheme: { status: '400', detail: 'the scheme is not that of the connection' },
  path: { status: '400', detail: 'the path has a fragment or bytes beyond ASCII' },
  authority: { status: '400', detail: 'the authority has user information, a fragment or bytes beyond ASCII' },
  noAuthority: { status: '400', detail: 'neither :authority nor host' },
  host: { status: '400', detail: 'host differs from :authority' },
  hosts: { status: '400', detail: 'host stands more than once' },
} as const

/** The header list is larger than it may be. */
export const tooLarge: Refusal = { status: '431', detail: 'the header list is too large' }
