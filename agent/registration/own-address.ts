import { networkInterfaces } from 'node:os'
import { canonicalAddress } from '../../mesh/std/ip-address.ts'

/**
 * The address of this host for others, given the one that it reaches the server from: that one, unless the server is
 * on this very host; then the first of an interface that others can see. Undefined when there is none.
 */
export function ownAddress(towardsServer: string | undefined, interfaces = networkInterfaces): string | undefined {
  const towards = towardsServer === undefined ? undefined : canonicalAddress(plain(towardsServer))
  if (towards !== undefined && !isLocalOnly(towards)) return towards
  const addresses = Object.values(interfaces()).flatMap(list => list ?? [])
  const usable = addresses
    .filter(({ internal }) => !internal)
    .flatMap(({ address }) => canonicalAddress(address) ?? [])
    .filter(address => !isLocalOnly(address))
  return usable.find(address => !address.includes(':')) ?? usable[0]
}

/** A socket of both families shows an IPv4 address in IPv6 clothes. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '')
}

/** Loopback and link-local addresses mean something else on every host. */
function isLocalOnly(address: string): boolean {
  return /^(?:127\.|169\.254\.|::1$|fe[89ab][0-9a-f]:)/.test(address)
}
