import { isIP } from 'node:net'
import { MeshError } from '../../mesh/std/errors.ts'
import { addressAt } from '../../mesh/std/ip-address.ts'
import type { AddressPort, Family } from './plan.ts'

/**
 * Checks for every value that becomes part of a rule. Each gives its argument back, in the kernel's own spelling, or
 * throws `WEFT_CAPTURE`: a line break in one would be a rule of somebody else's making.
 */

/** The family of an address or prefix that has been checked. */
export function familyOf(range: string): Family {
  return range.includes(':') ? 6 : 4
}

/** An address without zone, spelled as RFC 5952 says. */
export function checkedAddress(address: string): string {
  const family = isIP(address)
  if (family === 0 || address.includes('%')) throw invalid('address', address)
  return family === 4 ? address : new URL(`http://[${address}]`).hostname.slice(1, -1)
}

/** A prefix in CIDR form, or a single address. */
export function checkedRange(range: string): string {
  const [address = '', length, ...rest] = range.split('/')
  if (rest.length > 0) throw invalid('address range', range)
  const checked = checkedAddress(address)
  if (length === undefined) return checked
  if (!/^\d{1,3}$/.test(length) || Number(length) > (familyOf(checked) === 4 ? 32 : 128)) {
    throw invalid('address range', range)
  }
  return `${checked}/${Number(length)}`
}

/** A prefix in CIDR form by its first address, as the kernel writes it. */
export function checkedNetwork(range: string): string {
  const checked = checkedRange(range)
  const length = checked.split('/')[1] ?? (familyOf(checked) === 4 ? '32' : '128')
  return `${addressAt(checked.includes('/') ? checked : `${checked}/${length}`, 0)}/${length}`
}

/** An address and a TCP port. */
export function checkedEndpoint(endpoint: AddressPort): AddressPort {
  return { address: checkedAddress(endpoint.address), port: checkedPort(endpoint.port) }
}

/** A port from 1 to 65535. */
export function checkedPort(port: number): number {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalid('port', port)
  return port
}

/** A user id; the largest number means "no user" to the kernel and is none. */
export function checkedUid(uid: number): number {
  if (!Number.isInteger(uid) || uid < 0 || uid > 0xffff_fffe) throw invalid('uid', uid)
  return uid
}

/** A path below the cgroup v2 root, without the slashes at its ends. */
export function checkedCgroupPath(path: string): string {
  const trimmed = path.replace(/^\/+|\/+$/g, '')
  const parts = trimmed.split('/')
  const odd = parts.some(part => part === '' || part === '.' || part === '..')
  // the kernel's own limit for the match is 512 bytes with the closing zero
  if (odd || Buffer.byteLength(trimmed) > 511 || /\p{Cc}/u.test(trimmed)) throw invalid('cgroup path', path)
  return trimmed
}

function invalid(what: string, value: unknown): MeshError {
  return new MeshError('WEFT_CAPTURE', `the capture plan has an invalid ${what}`, {
    fields: { value },
    next: 'correct it where the workload or the mesh is declared',
  })
}
