import ipaddr from 'ipaddr.js'

/**
 * The one way an address is written (RFC 5952 for IPv6, four decimal parts for IPv4), so that addresses can be compared
 * as text. Undefined for what is no address, has a zone, or is an IPv4 address in IPv6 clothes (`::ffff:10.0.0.1`),
 * which kernels treat as the IPv4 address and filters often do not.
 */
export function canonicalAddress(text: string): string | undefined {
  if (text.includes('%')) return undefined
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text).toString()
  if (!text.includes(':') || !ipaddr.IPv6.isValid(text)) return undefined
  const address = ipaddr.IPv6.parse(text)
  return address.isIPv4MappedAddress() ? undefined : address.toRFC5952String()
}

/**
 * The address `offset` places after the first one of a range in CIDR form. Throws a RangeError for an offset outside
 * of the range, and the library's error for a text that is no range.
 */
export function addressAt(range: string, offset: number): string {
  const [network, prefix] = ipaddr.parseCIDR(range)
  const bytes = network.toByteArray()
  const bits = bytes.length * 8 - prefix
  if (!Number.isSafeInteger(offset) || offset < 0 || offset >= 2 ** bits) {
    throw new RangeError(`${range} has no address ${offset}`)
  }
  for (let bit = 0; bit < bits; bit += 1) {
    const at = bytes.length - 1 - Math.floor(bit / 8)
    bytes[at] = (bytes[at] ?? 0) & ~(1 << (bit % 8))
  }
  let rest = offset
  for (let at = bytes.length - 1; at >= 0 && rest > 0; at -= 1) {
    const sum = (bytes[at] ?? 0) + (rest % 256)
    bytes[at] = sum % 256
    rest = Math.floor(rest / 256) + Math.floor(sum / 256)
  }
  const address = ipaddr.fromByteArray(bytes)
  return address instanceof ipaddr.IPv6 ? address.toRFC5952String() : address.toString()
}
