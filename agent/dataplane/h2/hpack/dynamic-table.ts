/** What an entry costs beside its name and value, RFC 7541 section 4.1. */
export const entryOverhead = 32

/**
 * The decoder's table of recently sent fields (RFC 7541 section 2.3.2), newest first, bounded by size in bytes and
 * not by count. A ring, so that adding and evicting cost the same however many entries there are.
 */
export class DynamicTable {
  #pairs: string[]
  #mask: number
  /** Slot of the newest entry. */
  #newest = 0
  #count = 0
  #size = 0
  #maxSize: number

  constructor(maxSize: number) {
    this.#maxSize = maxSize
    const slots = 16
    this.#pairs = new Array<string>(slots * 2).fill('')
    this.#mask = slots - 1
  }

  get count(): number {
    return this.#count
  }

  /** The name of an entry; 0 is the newest. The caller has checked the index against {@link count}. */
  name(index: number): string {
    return this.#pairs[this.#slot(index) * 2] ?? ''
  }

  value(index: number): string {
    return this.#pairs[this.#slot(index) * 2 + 1] ?? ''
  }

  /** Adds an entry, evicting old ones; one larger than the table empties it, which is not an error. */
  add(name: string, value: string): void {
    const size = name.length + value.length + entryOverhead
    this.#evictTo(this.#maxSize - size)
    if (size > this.#maxSize) return
    if (this.#count > this.#mask) this.#grow()
    this.#newest = (this.#newest - 1) & this.#mask
    this.#pairs[this.#newest * 2] = name
    this.#pairs[this.#newest * 2 + 1] = value
    this.#count += 1
    this.#size += size
  }

  /** Sets how many bytes it may hold, evicting what no longer fits. */
  resize(maxSize: number): void {
    this.#maxSize = maxSize
    this.#evictTo(maxSize)
  }

  #slot(index: number): number {
    return (this.#newest + index) & this.#mask
  }

  #evictTo(size: number): void {
    while (this.#size > size && this.#count > 0) {
      const slot = this.#slot(this.#count - 1) * 2
      this.#size -= (this.#pairs[slot] ?? '').length + (this.#pairs[slot + 1] ?? '').length + entryOverhead
      // Dropped, so that an evicted value does not stay alive in its slot.
      this.#pairs[slot] = ''
      this.#pairs[slot + 1] = ''
      this.#count -= 1
    }
  }

  #grow(): void {
    const slots = (this.#mask + 1) * 2
    const pairs = new Array<string>(slots * 2).fill('')
    for (let index = 0; index < this.#count; index += 1) {
      pairs[index * 2] = this.name(index)
      pairs[index * 2 + 1] = this.value(index)
    }
    this.#pairs = pairs
    this.#mask = slots - 1
    this.#newest = 0
  }
}
