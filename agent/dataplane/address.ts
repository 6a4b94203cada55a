import { isIPv6 } from 'node:net'
import { canonicalAddress } from '../../mesh/std/ip-address.ts'

/**
 * `ip:port`, with brackets around IPv6: the key of the table's maps and the authority of a CONNECT. Takes addresses
 * only, so a colon tells the families apart; Node's own test is a regular expression that each connection would pay for.
 */
export function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/** Drops the IPv4-mapped prefix that dual-stack sockets show, so that one host has one name. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/**
 * An authority in the spelling of {@link hostPort}, so that an IPv6 address can be found however a peer writes it;
 * undefined for what is no address and port, and for IPv4 addresses in IPv6 clothes.
 */
export function canonicalHostPort(authority: string): string | undefined {
  const [, v6, v4, port = ''] = /^(?:\[([^\]]+)\]|([^:]+)):([1-9]\d{0,4})$/.exec(authority) ?? []
  const address = canonicalAddress(v6 ?? v4 ?? '')
  if (address === undefined || isIPv6(address) !== (v6 !== undefined)) return undefined
  return hostPort(address, Number(port))
}
