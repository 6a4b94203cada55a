import ipaddr from 'ipaddr.js'

/** The bytes of an address as they are sent: 4 of IPv4, 16 of IPv6. Throws for what is none. */
export function addressOctets(address: string): readonly number[] {
  return ipaddr.parse(address).toByteArray()
}
