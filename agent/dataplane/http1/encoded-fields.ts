import type { HeaderList } from '../http/stream.ts'
import { fieldKind, kindOf } from './field-names.ts'
import { tokenOctets, valueOctets } from './octets.ts'

/** Fields that are remembered have at most this many bytes together. */
const rememberedBytes = 2048

/**
 * Writes field lines. One connection's heads repeat most of their fields, often the very same strings, so each is first
 * compared with the field in the same place of the last head: the bytes of those that are the same are copied, in runs.
 */
export class EncodedFields {
  readonly #names: string[] = []
  readonly #values: string[] = []
  /** Where the line of each remembered field ends in {@link #bytes}; the other array is for the head being written. */
  #ends: number[] = []
  #nextEnds: number[] = []
  #count = 0
  #bytes: Buffer = nothing
  #dropLength = false

  /**
   * Writes the fields of the list from `first` on into `block`, which has room, at `from`; returns the end, or -1 when
   * one cannot be written. Those that belong to a connection are left out, lengths too with `dropLength`.
   */
  write(block: Buffer, from: number, headers: HeaderList, first: number, dropLength: boolean): number {
    const known = dropLength === this.#dropLength ? this.#count : 0
    const names = this.#names
    const values = this.#values
    const ends = this.#ends
    const nextEnds = this.#nextEnds
    const total = (headers.length - first) >> 1
    let to = from
    /** What is to be copied: remembered bytes up to, but not including, the line being looked at. */
    let runFrom = 0
    let runTo = 0
    let changed = total !== known
    this.#count = 0
    for (let index = 0; index < total; index += 1) {
      const name = headers[first + index * 2] ?? ''
      const value = headers[first + index * 2 + 1] ?? ''
      if (index < known && names[index] === name && values[index] === value) {
        runTo = ends[index] ?? 0
        nextEnds[index] = to - from + runTo - runFrom
        continue
      }
      to = this.#copy(block, to, runFrom, runTo)
      runFrom = index < known ? (ends[index] ?? 0) : 0
      runTo = runFrom
      to = writeField(block, to, name, value, dropLength)
      if (to < 0) return -1
      names[index] = name
      values[index] = value
      nextEnds[index] = to - from
      changed = true
    }
    to = this.#copy(block, to, runFrom, runTo)
    if (changed) this.#remember(block, from, to)
    if (to - from <= rememberedBytes) this.#count = total
    this.#dropLength = dropLength
    return to
  }

  #copy(block: Buffer, at: number, from: number, to: number): number {
    if (from === to) return at
    this.#bytes.copy(block, at, from, to)
    return at + to - from
  }

  #remember(block: Buffer, from: number, to: number): void {
    const length = to - from
    if (length > rememberedBytes) return
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafeSlow((length + 255) & ~255)
    block.copy(this.#bytes, 0, from, to)
    const ends = this.#ends
    this.#ends = this.#nextEnds
    this.#nextEnds = ends
  }
}

function writeField(block: Buffer, at: number, name: string, value: string, dropLength: boolean): number {
  const kind = kindOf(name)
  if (kind !== fieldKind.plain && !isWritten(kind, dropLength)) return at
  let to = putChecked(block, at, name, tokenOctets)
  if (to <= at) return -1
  block[to] = 0x3a
  block[to + 1] = 0x20
  to = putChecked(block, to + 2, value, valueOctets)
  if (to < 0) return -1
  block[to] = 0x0d
  block[to + 1] = 0x0a
  return to + 2
}

function isWritten(kind: number, dropLength: boolean): boolean {
  return kind === fieldKind.expect || kind === fieldKind.te || (kind === fieldKind.contentLength && !dropLength)
}

/** Writes a text of octets; returns the end. */
export function putText(block: Buffer, at: number, text: string): number {
  for (let index = 0; index < text.length; index += 1) block[at + index] = text.charCodeAt(index)
  return at + text.length
}

/** Writes a text whose octets are all in the table; -1 when one is not. */
export function putChecked(block: Buffer, at: number, text: string, allowed: Uint8Array): number {
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    if (allowed[unit] !== 1) return -1
    block[at + index] = unit
  }
  return at + text.length
}

const nothing = Buffer.alloc(0)
