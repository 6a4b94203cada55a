import { addressAt, canonicalAddress } from '../std/ip-address.ts'

/** Stands for a segment of a path that names one thing of many. */
export const anySegment = '{*}'
/** Stands for the rest of a path, or for a path of which nothing is kept. */
export const anyPath = '{**}'

const maxSegments = 8
const maxSegment = 32
const numeric = /^[0-9]+$/
/** UUIDs, hashes, and ids that are long enough not to be words. */
const identifier = /^(?=.*[0-9])[0-9a-fA-F-]{8,}$|^(?=.*[0-9])[A-Za-z0-9_=-]{20,}$/
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT'])

/**
 * A path without what tells one request from the next: no query, and `{*}` for segments that are numbers, ids, or long;
 * deeper than eight segments the rest is `{**}`. Takes a path that is normalised.
 */
export function bucketPath(path: string): string {
  const end = path.search(/[?#]/)
  const segments = (end === -1 ? path : path.slice(0, end)).split('/')
  const kept = segments.slice(0, maxSegments + 1).map(bucketSegment)
  return segments.length > maxSegments + 1 ? `${kept.join('/')}/${anyPath}` : kept.join('/')
}

/** Whether a path has lost what rules may ask for. */
export function isBucketed(path: string): boolean {
  return path.includes(anySegment) || path.includes(anyPath)
}

/** A method of HTTP, or `OTHER`: callers can make up any. */
export function bucketMethod(method: string): string {
  return methods.has(method) ? method : 'OTHER'
}

/** The /24 or /64 that an address is in; empty for what is no address. IPv4 mapped into IPv6 is IPv4. */
export function bucketAddress(address: string): string {
  const isMapped = address.startsWith(mapped) && address.includes('.')
  const plain = canonicalAddress(isMapped ? address.slice(mapped.length) : address)
  if (plain === undefined) return ''
  const bits = plain.includes(':') ? 64 : 24
  return `${addressAt(`${plain}/${bits}`, 0)}/${bits}`
}

const mapped = '::ffff:'

function bucketSegment(segment: string): string {
  return segment.length > maxSegment || numeric.test(segment) || identifier.test(segment) ? anySegment : segment
}
