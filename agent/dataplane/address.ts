import { isIPv6 } from 'node:net'

/** `ip:port`, with brackets around IPv6: the key of the table's maps and the authority of a CONNECT. */
export function hostPort(address: string, port: number): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}

/** Drops the IPv4-mapped prefix that dual-stack sockets show, so that one host has one name. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
