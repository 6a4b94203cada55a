import { BlockCache } from './block-cache.ts'
import { DynamicTable, entryOverhead } from './dynamic-table.ts'
import { huffmanDecode } from './huffman.ts'
import { type Cursor, readInteger } from './integer.ts'
import { staticCount, staticPairs } from './static-table.ts'

export interface HpackDecoderOptions {
  /** What we advertise as SETTINGS_HEADER_TABLE_SIZE, in bytes. */
  readonly tableSize: number
  /** Bytes of a decoded list, each field counted as name + value + 32. */
  readonly maxListBytes: number
  readonly maxPairs: number
  /** Whether blocks are worth remembering: where the peer has no dynamic table and sends the same lists. */
  readonly remembers: boolean
}

/**
 * A decoded list; `oversize` when it is beyond the limits (the tables are still in step with the peer, so the
 * connection can go on); `invalid` when the block breaks RFC 7541 and the connection must end.
 */
export type DecodeResult = string[] | 'oversize' | 'invalid'

/** One string may decode to this much; a longer one could not fit into any list we take. */
const scratchBytes = 65_536
const tableSizeBeforeSettings = 4096

/**
 * Decodes the header blocks of one connection (RFC 7541), in the order they arrive. Nothing of a list is kept once the
 * limits are passed, so a small block cannot grow into much memory. Blocks that touch no dynamic state, which is all
 * that our own encoder sends to tunnel connections, may be remembered: the same bytes give the same strings.
 */
export class HpackDecoder {
  readonly #options: HpackDecoderOptions
  readonly #table: DynamicTable
  readonly #cursor: Cursor = { at: 0, failed: false }
  readonly #cache = new BlockCache()
  #scratch: Buffer | undefined
  #tableLimit: number
  #expectsResize = false
  /** Whether the block being decoded used or changed the dynamic table. */
  #stateful = false
  #listBytes = 0

  constructor(options: HpackDecoderOptions) {
    this.#options = options
    // until our SETTINGS are acknowledged the peer goes by the default
    this.#tableLimit = Math.max(options.tableSize, tableSizeBeforeSettings)
    this.#table = new DynamicTable(tableSizeBeforeSettings)
  }

  /** Size of the list that was decoded last, each field counted as name + value + 32. */
  get listBytes(): number {
    return this.#listBytes
  }

  /** The peer acknowledged our table size: when it is a reduction the next block must begin with an update. */
  settingsAcknowledged(): void {
    this.#tableLimit = this.#options.tableSize
    this.#expectsResize = this.#options.tableSize < tableSizeBeforeSettings
  }

  /** Decodes one complete header block; the buffer may be reused afterwards. */
  decode(block: Buffer): DecodeResult {
    if (!this.#options.remembers) return this.#decodeFields(block)
    const known = this.#expectsResize ? undefined : this.#cache.find(block)
    if (known !== undefined) {
      this.#listBytes = sizeOf(known)
      return [...known]
    }
    this.#stateful = false
    const list = this.#decodeFields(block)
    if (!this.#stateful && typeof list !== 'string') this.#cache.remember(block, list)
    return list
  }

  #decodeFields(block: Buffer): string[] | 'oversize' | 'invalid' {
    const cursor = this.#cursor
    const end = block.length
    const list: string[] = []
    let budget = this.#options.maxListBytes
    const maxEntries = this.#options.maxPairs * 2
    cursor.at = 0
    cursor.failed = false
    if (!this.#readResizes(block)) return 'invalid'
    while (cursor.at < end) {
      const first = block[cursor.at] ?? 0
      let name: string
      let value: string
      if (first & 0x80) {
        const index = readInteger(block, end, 7, cursor)
        if (cursor.failed || !this.#known(index)) return 'invalid'
        name = this.#name(index)
        value = this.#value(index)
      } else {
        const adds = (first & 0xc0) === 0x40
        if (!adds && (first & 0xe0) === 0x20) return 'invalid'
        const index = readInteger(block, end, adds ? 6 : 4, cursor)
        if (cursor.failed || (index !== 0 && !this.#known(index))) return 'invalid'
        name = index === 0 ? this.#string(block, end) : this.#name(index)
        value = this.#string(block, end)
        if (cursor.failed) return 'invalid'
        if (adds) {
          this.#stateful = true
          this.#table.add(name, value)
        }
      }
      budget -= name.length + value.length + entryOverhead
      if (budget >= 0 && list.length < maxEntries) list.push(name, value)
      else budget = -1
    }
    this.#listBytes = this.#options.maxListBytes - budget
    return budget < 0 ? 'oversize' : list
  }

  /** Table size updates stand only at the start of a block, RFC 7541 section 4.2. */
  #readResizes(block: Buffer): boolean {
    const cursor = this.#cursor
    let seen = false
    while (cursor.at < block.length && ((block[cursor.at] ?? 0) & 0xe0) === 0x20) {
      const size = readInteger(block, block.length, 5, cursor)
      if (cursor.failed || size > this.#tableLimit) return false
      this.#stateful = true
      this.#table.resize(size)
      seen = true
    }
    if (this.#expectsResize && !seen) return false
    this.#expectsResize = false
    return true
  }

  #known(index: number): boolean {
    return index > 0 && index <= staticCount + this.#table.count
  }

  #name(index: number): string {
    if (index <= staticCount) return staticPairs[index * 2 - 2] ?? ''
    this.#stateful = true
    return this.#table.name(index - staticCount - 1)
  }

  #value(index: number): string {
    if (index <= staticCount) return staticPairs[index * 2 - 1] ?? ''
    return this.#table.value(index - staticCount - 1)
  }

  #string(block: Buffer, end: number): string {
    const cursor = this.#cursor
    const coded = ((block[cursor.at] ?? 0) & 0x80) !== 0
    const length = readInteger(block, end, 7, cursor)
    const start = cursor.at
    if (cursor.failed || start + length > end) {
      cursor.failed = true
      return ''
    }
    cursor.at = start + length
    if (!coded) return block.toString('latin1', start, cursor.at)
    this.#scratch ??= Buffer.allocUnsafeSlow(scratchBytes)
    const size = huffmanDecode(block, start, cursor.at, this.#scratch)
    if (size < 0) {
      cursor.failed = true
      return ''
    }
    return this.#scratch.toString('latin1', 0, size)
  }
}

function sizeOf(list: readonly string[]): number {
  let bytes = (list.length / 2) * entryOverhead
  for (const text of list) bytes += text.length
  return bytes
}
