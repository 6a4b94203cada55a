import type { HeaderList } from '../stream.ts'
import type { HeaderEncoder } from './header-encoder.ts'
import { huffmanEncode, huffmanLength } from './huffman.ts'
import { secretNames } from './index-policy.ts'
import { writeInteger } from './integer.ts'
import { sendable } from './sendable.ts'
import { staticNames } from './static-names.ts'

const literalWithoutIndexing = 0x00
const literalNeverIndexed = 0x10
const indexed = 0x80
const huffmanBit = 0x80
const slots = 8
const maxCachedBytes = 512
const rememberOneIn = 4
/** An integer takes at most five bytes here; a field has three of them. */
const fieldOverhead = 16

interface Encoded {
  readonly headers: HeaderList
  readonly block: Buffer
}

/**
 * Encodes header lists with the static table only (RFC 7541): it needs no state shared with the peer's decoder, so
 * blocks may be written in any order, and the last few are kept encoded because a CONNECT and its `200` repeat. Blocks
 * that are kept are Huffman coded once; others are written plainly, which costs bytes and saves time.
 */
export class HpackEncoder implements HeaderEncoder {
  readonly #cache: Encoded[] = []
  #next = 0
  #misses = 0
  #scratch: Buffer = Buffer.allocUnsafe(1024)
  #announced = false

  /**
   * The header block of a list: a view that is valid until the next call. The first block of a connection begins with
   * a table size update to zero, which satisfies a peer that has reduced its table (RFC 9113 section 4.3.1).
   */
  encode(headers: HeaderList): Buffer {
    if (!this.#announced) {
      this.#announced = true
      const block = this.#encodeList(headers, 1, false)
      block[0] = 0x20
      return block
    }
    for (const entry of this.#cache) if (sameList(entry.headers, headers)) return entry.block
    this.#misses += 1
    if (this.#misses % rememberOneIn !== 1) return this.#encodeList(headers, 0, false)
    const block = this.#encodeList(headers, 0, true)
    if (block.length <= maxCachedBytes) {
      this.#cache[this.#next] = { headers: [...headers], block: Buffer.from(block) }
      this.#next = (this.#next + 1) % slots
    }
    return block
  }

  /** Nothing of ours is in the peer's table, so its size says nothing. */
  peerTableSize(): void {}

  #encodeList(headers: HeaderList, from: number, huffman: boolean): Buffer {
    let most = from
    for (const text of headers) most += text.length + fieldOverhead
    if (this.#scratch.length < most) this.#scratch = Buffer.allocUnsafe(most * 2)
    const into = this.#scratch
    let at = from
    for (let index = 0; index + 1 < headers.length; index += 2) {
      at = encodeField(headers[index] ?? '', headers[index + 1] ?? '', into, at, huffman)
    }
    return into.subarray(0, at)
  }
}

function encodeField(given: string, value: string, into: Buffer, at: number, huffman: boolean): number {
  const name = lowerCase(given)
  const known = staticNames.get(name)
  const exact = known?.values?.get(value)
  if (exact !== undefined) return writeInteger(into, at, indexed, 7, exact)
  const form = secretNames.has(name) ? literalNeverIndexed : literalWithoutIndexing
  at = writeInteger(into, at, form, 4, known?.index ?? 0)
  if (known === undefined) at = writeString(name, into, at, huffman)
  return writeString(value, into, at, huffman)
}

/** Names are in lower case on this wire, wherever they come from: RFC 9113 section 8.2.1. */
function lowerCase(name: string): string {
  for (let at = 0; at < name.length; at += 1) {
    const unit = name.charCodeAt(at)
    if (unit >= 0x41 && unit <= 0x5a) return name.toLowerCase()
  }
  return name
}

function writeString(raw: string, into: Buffer, at: number, huffman: boolean): number {
  const text = sendable(raw)
  if (huffman) {
    const coded = huffmanLength(text)
    if (coded < text.length) return huffmanEncode(text, into, writeInteger(into, at, huffmanBit, 7, coded))
  }
  at = writeInteger(into, at, 0, 7, text.length)
  return at + into.write(text, at, 'latin1')
}

function sameList(a: HeaderList, b: HeaderList): boolean {
  if (a.length !== b.length) return false
  for (let at = a.length - 1; at >= 0; at -= 1) if (a[at] !== b[at]) return false
  return true
}
