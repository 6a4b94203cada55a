import ipaddr from 'ipaddr.js'
import { createRanges, type Ranges } from './ip-ranges.ts'

/**
 * A set of blocks as policies write them: addresses, or ranges in CIDR form, of which bits behind the prefix do not count;
 * IPv4 in IPv6 clothes is IPv4. For what is asked at every request: nothing is made for an IPv4 address. Undefined when
 * one of the texts is no block.
 */
export function createAddressBlocks(blocks: readonly string[]): Ranges | undefined {
  const ranges4: Range4[] = []
  const ranges6: string[] = []
  for (const text of blocks) {
    const block = parseBlock(text)
    if (block === undefined) return undefined
    if (typeof block === 'string') ranges6.push(block)
    else ranges4.push(block)
  }
  const others = ranges6.length === 0 ? undefined : createRanges(ranges6)
  return {
    has(address) {
      if (!address.includes(':')) return hasIpv4(ranges4, address)
      return address.startsWith(mapped) && address.includes('.')
        ? hasIpv4(ranges4, address.slice(mapped.length))
        : (others?.has(address) ?? false)
    },
  }
}

const mapped = '::ffff:'

interface Range4 {
  readonly network: number
  readonly mask: number
}

function hasIpv4(ranges: readonly Range4[], address: string): boolean {
  const value = ipv4Value(address)
  if (value < 0) return false
  for (const { network, mask } of ranges) if ((value & mask) === network) return true
  return false
}

/** IPv6 as a text in CIDR form. */
function parseBlock(text: string): Range4 | string | undefined {
  const [address = '', length, ...rest] = text.split('/')
  if (rest.length > 0 || address.includes('%') || (length !== undefined && !/^\d{1,3}$/.test(length))) return undefined
  if (ipaddr.IPv4.isValidFourPartDecimal(address)) return range4(ipv4Value(address), Number(length ?? 32))
  if (!address.includes(':') || !ipaddr.IPv6.isValid(address)) return undefined
  const parsed = ipaddr.IPv6.parse(address)
  const bits = Number(length ?? 128)
  if (bits > 128) return undefined
  if (!parsed.isIPv4MappedAddress() || bits < 96) return `${parsed.toString()}/${bits}`
  return range4(ipv4Value(parsed.toIPv4Address().toString()), bits - 96)
}

function range4(value: number, bits: number): Range4 | undefined {
  if (value < 0 || bits > 32) return undefined
  // a shift by 32 is one by 0
  const mask = bits === 0 ? 0 : -1 << (32 - bits)
  return { network: value & mask, mask }
}

/** The address as a number from 0; -1 for what is no IPv4 address in four decimal parts. */
function ipv4Value(text: string): number {
  let value = 0
  let part = -1
  let parts = 1
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    if (unit === 0x2e) {
      if (part < 0) return -1
      value = value * 256 + part
      part = -1
      parts += 1
    } else {
      if (unit < 0x30 || unit > 0x39 || part === 0) return -1
      part = (part < 0 ? 0 : part * 10) + unit - 0x30
      if (part > 255) return -1
    }
  }
  return part < 0 || parts !== 4 ? -1 : value * 256 + part
}
