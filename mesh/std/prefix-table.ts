import { isIP } from 'node:net'

/** Values by address ranges and something else that must agree, such as a port. */
export interface PrefixTable<Value> {
  /** The value of the most specific range that holds the address and has the key; undefined without any. */
  find(address: string, key: number): Value | undefined
}

export interface PrefixEntry<Value> {
  /** In CIDR form, either family; a text that is none throws a TypeError. */
  readonly range: string
  readonly key: number
  readonly value: Value
}

/** Of entries with the same range and key the first counts. A look-up costs one step for each prefix length there is. */
export function createPrefixTable<Value>(entries: readonly PrefixEntry<Value>[]): PrefixTable<Value> {
  const byLength = new Map<string, Level<Value>>()
  for (const { range, key, value } of entries) {
    const [network = '', length = ''] = range.split('/')
    const octets = octetsOf(network)
    const bits = Number(length)
    if (octets === undefined || !/^\d{1,3}$/.test(length) || bits > octets.length * 8) {
      throw new TypeError(`${range} is no address range`)
    }
    const name = `${octets.length}/${bits}`
    const level = byLength.get(name) ?? { octets: octets.length, bits, values: new Map<string, Value>() }
    byLength.set(name, level)
    const place = placeOf(octets, bits, key)
    if (!level.values.has(place)) level.values.set(place, value)
  }
  const levels = [...byLength.values()].toSorted((one, other) => other.bits - one.bits)
  return {
    find(address, key) {
      const octets = levels.length === 0 ? undefined : octetsOf(address)
      if (octets === undefined) return undefined
      for (const level of levels) {
        if (level.octets !== octets.length) continue
        const value = level.values.get(placeOf(octets, level.bits, key))
        if (value !== undefined) return value
      }
      return undefined
    },
  }
}

interface Level<Value> {
  /** 4 or 16: the family. */
  readonly octets: number
  readonly bits: number
  readonly values: Map<string, Value>
}

function placeOf(octets: readonly number[], bits: number, key: number): string {
  let place = ''
  for (let at = 0; at * 8 < bits; at += 1) {
    const left = bits - at * 8
    place += `${(octets[at] ?? 0) & (left >= 8 ? 0xff : 0xff00 >> left)}.`
  }
  return `${place}:${key}`
}

/** Undefined for what is no address, and for one with a zone. */
function octetsOf(address: string): readonly number[] | undefined {
  switch (address.includes('%') ? 0 : isIP(address)) {
    case 4:
      return address.split('.').map(Number)
    case 6:
      return octetsOfIpv6(address)
    default:
      return undefined
  }
}

function octetsOfIpv6(address: string): readonly number[] {
  const [head = '', tail] = address.split('::')
  const front = groupsOf(head)
  const back = tail === undefined ? [] : groupsOf(tail)
  return [...front, ...new Array<number>(16 - front.length - back.length).fill(0), ...back]
}

/** An IPv4 address may be the end of an IPv6 one (RFC 4291 section 2.2). */
function groupsOf(text: string): readonly number[] {
  if (text === '') return []
  return text.split(':').flatMap(group => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
