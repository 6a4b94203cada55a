import ipaddr from 'ipaddr.js'

/** A caller's connection, as the caller and interception know it. */
export interface CallerAddresses {
  readonly source: { readonly address: string; readonly port: number }
  /** Where the caller was going. */
  readonly destination: { readonly address: string; readonly port: number }
}

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** Version 2 with the commands LOCAL and PROXY. */
const local = 0x20
const proxy = 0x21
const [tcp4, tcp6] = [0x11, 0x21]

/**
 * The bytes with which a connection begins that speaks the PROXY protocol (HAProxy, proxy-protocol.txt, 2.1 and 2.2): for
 * whom it was made. Without a caller it says that it is the agent's own. Addresses of two families are both written as
 * IPv6.
 */
export function proxyHeader(version: 'v1' | 'v2', caller: CallerAddresses | undefined): Buffer {
  const pair = caller && addressesOf(caller)
  return version === 'v1' ? Buffer.from(textHeader(caller, pair), 'latin1') : binaryHeader(caller, pair)
}

interface Addresses {
  readonly isWide: boolean
  readonly source: ipaddr.IPv4 | ipaddr.IPv6
  readonly destination: ipaddr.IPv4 | ipaddr.IPv6
}

function addressesOf({ source, destination }: CallerAddresses): Addresses {
  const [from, to] = [ipaddr.parse(source.address), ipaddr.parse(destination.address)]
  const isWide = from.kind() === 'ipv6' || to.kind() === 'ipv6'
  return isWide ? { isWide, source: wide(from), destination: wide(to) } : { isWide, source: from, destination: to }
}

function wide(address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv6 {
  return address instanceof ipaddr.IPv4 ? address.toIPv4MappedAddress() : address
}

function textHeader(caller: CallerAddresses | undefined, pair: Addresses | undefined): string {
  if (caller === undefined || pair === undefined) return 'PROXY UNKNOWN\r\n'
  const addresses = `${textOf(pair.source)} ${textOf(pair.destination)}`
  return `PROXY ${pair.isWide ? 'TCP6' : 'TCP4'} ${addresses} ${caller.source.port} ${caller.destination.port}\r\n`
}

function binaryHeader(caller: CallerAddresses | undefined, pair: Addresses | undefined): Buffer {
  if (caller === undefined || pair === undefined) return Buffer.concat([signature, Buffer.from([local, 0, 0, 0])])
  const addresses = [...pair.source.toByteArray(), ...pair.destination.toByteArray()]
  const body = [...addresses, ...octets(caller.source.port), ...octets(caller.destination.port)]
  const head = [proxy, pair.isWide ? tcp6 : tcp4, ...octets(body.length)]
  return Buffer.concat([signature, Buffer.from([...head, ...body])])
}

/** Without the zone, which means something on this host only. */
function textOf(address: ipaddr.IPv4 | ipaddr.IPv6): string {
  const [text = ''] = address.toString().split('%')
  return text
}

function octets(value: number): readonly [number, number] {
  return [value >> 8, value & 0xff]
}
