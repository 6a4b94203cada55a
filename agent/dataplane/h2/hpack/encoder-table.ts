import { entryOverhead } from './dynamic-table.ts'
import { type IndexPolicy, indexPolicyOf } from './index-policy.ts'
import { type StaticName, staticNames } from './static-names.ts'
import { staticCount } from './static-table.ts'

/** Entries a name may add that nobody refers to, before its values count as too many to be worth it. */
const maxCredit = 8
/** A name that lost its credit is tried again once in so many fields. */
const retryOneIn = 64
/** Names remembered; beyond it those without entries are forgotten. */
const maxNames = 512

/** What the encoder knows of a field name. */
export interface EncoderName {
  /** As it is sent. */
  readonly text: string
  readonly policy: IndexPolicy
  readonly fixed: StaticName | undefined
  /** Entries of the peer's table with this name: value to the number of its insertion. */
  readonly values: Map<string, number>
  /** Number of the newest of them, or 0. */
  newest: number
  credit: number
  skipped: number
}

/**
 * The encoder's copy of the peer's dynamic table (RFC 7541 section 2.3.2), with a map from names to values: whether a
 * field is in it costs two lookups. Entries are numbered from 1 as they are added, so that no index changes when
 * another comes.
 */
export class EncoderTable {
  readonly #names = new Map<string, EncoderName>()
  /** A ring by insertion number. */
  #entries: (EncoderName | undefined)[] = new Array<EncoderName | undefined>(64)
  #values: string[] = new Array<string>(64)
  #mask = 63
  #inserted = 0
  #count = 0
  #size = 0
  #maxSize: number
  readonly #keepsCase: boolean

  /** `keepsCase`: names go out as they are given, not in lower case. */
  constructor(maxSize: number, keepsCase: boolean) {
    this.#maxSize = maxSize
    this.#keepsCase = keepsCase
  }

  get maxSize(): number {
    return this.#maxSize
  }

  name(text: string): EncoderName {
    return this.#names.get(text) ?? this.#learn(text)
  }

  /** The HPACK index of an entry by its number; 0 when there is none. */
  indexOf(number: number): number {
    return number === 0 ? 0 : staticCount + 1 + this.#inserted - number
  }

  /** Whether the entry of this number is still in the table. */
  has(number: number): boolean {
    return number > this.#inserted - this.#count
  }

  /** An entry was referred to: the name is worth its place. */
  served(name: EncoderName): void {
    if (name.credit < maxCredit) name.credit += 1
  }

  /** Whether a new value of this name should be added. */
  worthAdding(name: EncoderName, valueLength: number): boolean {
    if (name.policy !== 'index' || (name.text.length + valueLength + entryOverhead) * 4 > this.#maxSize) return false
    if (name.credit > 0) return true
    name.skipped += 1
    if (name.skipped % retryOneIn !== 0) return false
    name.credit = 1
    return true
  }

  /** Adds an entry that fits, evicting old ones as the peer does. */
  add(name: EncoderName, value: string): void {
    const size = name.text.length + value.length + entryOverhead
    this.#evictTo(this.#maxSize - size)
    if (this.#count > this.#mask) this.#grow()
    this.#inserted += 1
    const slot = this.#inserted & this.#mask
    this.#entries[slot] = name
    this.#values[slot] = value
    name.values.set(value, this.#inserted)
    name.newest = this.#inserted
    name.credit -= 1
    this.#count += 1
    this.#size += size
  }

  resize(maxSize: number): void {
    this.#maxSize = maxSize
    this.#evictTo(maxSize)
  }

  #learn(given: string): EncoderName {
    const text = this.#keepsCase ? given : given.toLowerCase()
    const name: EncoderName = {
      text,
      policy: indexPolicyOf(text),
      fixed: staticNames.get(text),
      values: new Map(),
      newest: 0,
      credit: maxCredit,
      skipped: 0,
    }
    if (this.#names.size >= maxNames) {
      for (const [known, { values }] of this.#names) if (values.size === 0) this.#names.delete(known)
    }
    if (this.#names.size < maxNames) this.#names.set(given, name)
    return name
  }

  #evictTo(size: number): void {
    while (this.#size > size && this.#count > 0) {
      const number = this.#inserted - this.#count + 1
      const slot = number & this.#mask
      const name = this.#entries[slot]
      const value = this.#values[slot] ?? ''
      this.#entries[slot] = undefined
      this.#values[slot] = ''
      this.#count -= 1
      if (name === undefined) continue
      this.#size -= name.text.length + value.length + entryOverhead
      if (name.values.get(value) === number) name.values.delete(value)
      if (name.newest === number) name.newest = 0
    }
  }

  #grow(): void {
    const mask = this.#mask * 2 + 1
    const entries = new Array<EncoderName | undefined>(mask + 1)
    const values = new Array<string>(mask + 1)
    for (let number = this.#inserted - this.#count + 1; number <= this.#inserted; number += 1) {
      entries[number & mask] = this.#entries[number & this.#mask]
      values[number & mask] = this.#values[number & this.#mask] ?? ''
    }
    this.#entries = entries
    this.#values = values
    this.#mask = mask
  }
}
