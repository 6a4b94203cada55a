import { addressOctets } from '../../../mesh/std/address-octets.ts'

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
  return version === 'v1' ? Buffer.from(textHeader(caller), 'latin1') : binaryHeader(caller)
}

function textHeader(caller: CallerAddresses | undefined): string {
  if (caller === undefined) return 'PROXY UNKNOWN\r\n'
  const { source, destination } = caller
  const isWide = hasWide(caller)
  const addresses = `${textOf(source.address, isWide)} ${textOf(destination.address, isWide)}`
  return `PROXY ${isWide ? 'TCP6' : 'TCP4'} ${addresses} ${source.port} ${destination.port}\r\n`
}

function binaryHeader(caller: CallerAddresses | undefined): Buffer {
  if (caller === undefined) return Buffer.concat([signature, Buffer.from([local, 0, 0, 0])])
  const { source, destination } = caller
  const isWide = hasWide(caller)
  const addresses = [source, destination].flatMap(({ address }) => addressOctets(textOf(address, isWide)))
  const body = [...addresses, ...octets(source.port), ...octets(destination.port)]
  const head = [proxy, isWide ? tcp6 : tcp4, ...octets(body.length)]
  return Buffer.concat([signature, Buffer.from([...head, ...body])])
}

function hasWide({ source, destination }: CallerAddresses): boolean {
  return source.address.includes(':') || destination.address.includes(':')
}

/** Without the zone, which means something on this host only. */
function textOf(address: string, isWide: boolean): string {
  const [text = ''] = address.split('%')
  return isWide && !text.includes(':') ? `::ffff:${text}` : text
}

function octets(value: number): readonly [number, number] {
  return [value >> 8, value & 0xff]
}
