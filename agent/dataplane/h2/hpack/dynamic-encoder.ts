import type { HeaderList } from '../stream.ts'
import { type EncoderName, EncoderTable } from './encoder-table.ts'
import type { HeaderEncoder } from './header-encoder.ts'
import { writeInteger } from './integer.ts'
import { isSendable, sendable } from './sendable.ts'

const literalWithoutIndexing = 0x00
const literalNeverIndexed = 0x10
const literalIndexed = 0x40
const indexed = 0x80
const sizeUpdate = 0x20
/** Integers take at most five bytes here; a field has three of them. */
const fieldOverhead = 16
/** Up to this length a string is written unit by unit: a native call costs more. */
const shortText = 64
/** No value of the static table is longer: a long one need not be hashed to know that it is not there. */
const longestStatic = 13
const defaultTableSize = 4096
const nothing = Buffer.alloc(0)

/**
 * Encodes header lists with the dynamic table (RFC 7541): what repeats from message to message costs a byte and two
 * lookups, and the peer gets the same string each time without decoding it. Secrets are never indexed, and neither are
 * fields whose value is new each time: those known by name, and those that turn out to be so. Literals are not Huffman
 * coded: between hosts bytes are cheaper than time. Blocks must reach the peer in the order they were encoded.
 */
export class DynamicEncoder implements HeaderEncoder {
  readonly #maxTableBytes: number
  readonly #table: EncoderTable
  #scratch: Buffer = nothing
  /**
   * The list that was encoded last, as what its fields were found to be: numbers of entries, or static indexes below
   * zero, or 0. The next list mostly has the same in the same place.
   */
  readonly #last: string[] = []
  readonly #lastNames: EncoderName[] = []
  readonly #lastNumbers: number[] = []
  /** The smallest and the last table size that the peer was not told yet; -1 for none. */
  #smallest = -1
  #latest = -1

  /**
   * `maxTableBytes`: how much of the peer's table is used at most. `keepsCase`: names go out as they are given, and not
   * in lower case as RFC 9113 section 8.2.1 has it.
   */
  constructor(maxTableBytes: number, keepsCase: boolean) {
    this.#maxTableBytes = maxTableBytes
    this.#table = new EncoderTable(defaultTableSize, keepsCase)
  }

  /** Takes effect with the next block, which tells the peer: RFC 7541 section 4.2. */
  peerTableSize(bytes: number): void {
    const size = Math.min(bytes, this.#maxTableBytes)
    if (this.#latest < 0 && size === this.#table.maxSize) return
    this.#smallest = this.#smallest < 0 ? size : Math.min(this.#smallest, size)
    this.#latest = size
  }

  encode(headers: HeaderList): Buffer {
    let most = fieldOverhead
    for (let at = 0; at < headers.length; at += 1) most += (headers[at] ?? '').length + (fieldOverhead >> 1)
    if (this.#scratch.length < most) this.#scratch = Buffer.allocUnsafeSlow(Math.max(1024, most * 2))
    const into = this.#scratch
    let at = this.#latest < 0 ? 0 : this.#resize(into)
    for (let index = 0; index + 1 < headers.length; index += 2) {
      at = this.#field(index >> 1, headers[index] ?? '', headers[index + 1] ?? '', into, at)
    }
    return into.subarray(0, at)
  }

  #resize(into: Buffer): number {
    let at = 0
    if (this.#smallest < this.#latest) {
      this.#table.resize(this.#smallest)
      at = writeInteger(into, at, sizeUpdate, 5, this.#smallest)
    }
    this.#table.resize(this.#latest)
    at = writeInteger(into, at, sizeUpdate, 5, this.#latest)
    this.#smallest = -1
    this.#latest = -1
    return at
  }

  #field(slot: number, text: string, value: string, into: Buffer, at: number): number {
    const table = this.#table
    const last = this.#last
    const known = last[slot * 2] === text ? this.#lastNames[slot] : undefined
    if (known !== undefined && last[slot * 2 + 1] === value) {
      const number = this.#lastNumbers[slot] ?? 0
      if (number < 0) return writeInteger(into, at, indexed, 7, -number)
      if (number > 0 && table.has(number)) return this.#entry(known, number, into, at)
    }
    const name = known ?? table.name(text)
    const number = this.#numberOf(name, value)
    last[slot * 2] = text
    last[slot * 2 + 1] = value
    this.#lastNames[slot] = name
    this.#lastNumbers[slot] = number
    if (number < 0) return writeInteger(into, at, indexed, 7, -number)
    if (number > 0) return this.#entry(name, number, into, at)
    if (!table.worthAdding(name, value.length) || !isSendable(value) || !isSendable(name.text)) {
      return this.#literal(name, value, into, at)
    }
    const from = this.#name(name, literalIndexed, 6, into, at)
    const end = writeText(value, into, from)
    // a copy of its own: the value may be a piece of a request's whole text, which would stay alive with it
    const own = into.toString('latin1', end - value.length, end)
    table.add(name, own)
    last[slot * 2 + 1] = own
    this.#lastNumbers[slot] = name.newest
    return end
  }

  /** The number of the entry with this value, the static index below zero, or 0. */
  #numberOf(name: EncoderName, value: string): number {
    const fixed = value.length <= longestStatic ? name.fixed?.values?.get(value) : undefined
    if (fixed !== undefined) return -fixed
    return name.policy === 'index' ? (name.values.get(value) ?? 0) : 0
  }

  #entry(name: EncoderName, number: number, into: Buffer, at: number): number {
    this.#table.served(name)
    return writeInteger(into, at, indexed, 7, this.#table.indexOf(number))
  }

  #literal(name: EncoderName, value: string, into: Buffer, at: number): number {
    const form = name.policy === 'secret' ? literalNeverIndexed : literalWithoutIndexing
    return writeText(value, into, this.#name(name, form, 4, into, at))
  }

  /** The first byte of a literal and its name, by an index where there is one. */
  #name(name: EncoderName, form: number, prefixBits: number, into: Buffer, at: number): number {
    const index = name.fixed?.index ?? this.#table.indexOf(name.newest)
    const next = writeInteger(into, at, form, prefixBits, index)
    return index === 0 ? writeText(name.text, into, next) : next
  }
}

function writeText(text: string, into: Buffer, at: number): number {
  const { length } = text
  const start = writeInteger(into, at, 0, 7, length)
  if (length > shortText) return start + into.write(sendable(text), start, 'latin1')
  for (let index = 0; index < length; index += 1) {
    const unit = text.charCodeAt(index)
    into[start + index] = unit > 0xff || unit === 0 || unit === 0x0a || unit === 0x0d ? 0x3f : unit
  }
  return start + length
}
