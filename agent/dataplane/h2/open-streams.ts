import type { LiveStream } from './live-stream.ts'

const fewest = 16

/**
 * Streams by their id. A `Map` that many entries come to and go from is copied again and again, and V8 keeps what a copy
 * of the old generation points at: each stream, with all that belongs to its request, would survive until a full
 * collection. Here nothing points at a stream that was taken out.
 */
export class OpenStreams {
  /** Chains of streams, by the lower bits of their number. */
  #chains: (LiveStream | undefined)[] = new Array(fewest).fill(undefined)
  #mask = fewest - 1
  #size = 0

  get size(): number {
    return this.#size
  }

  get(id: number): LiveStream | undefined {
    let stream = this.#chains[this.#placeOf(id)]
    while (stream !== undefined && stream.id !== id) stream = stream.nextOpen
    return stream
  }

  /** Its id is not known yet. */
  add(stream: LiveStream): void {
    if (this.#size > this.#mask) this.#grow()
    this.#put(stream)
    this.#size += 1
  }

  delete(stream: LiveStream): void {
    const place = this.#placeOf(stream.id)
    let before: LiveStream | undefined
    for (let one = this.#chains[place]; one !== undefined; one = one.nextOpen) {
      if (one === stream) {
        if (before === undefined) this.#chains[place] = stream.nextOpen
        else before.nextOpen = stream.nextOpen
        stream.nextOpen = undefined
        this.#size -= 1
        return
      }
      before = one
    }
  }

  /** All that are open now, oldest first. */
  all(): LiveStream[] {
    const all: LiveStream[] = []
    for (const first of this.#chains) {
      for (let one = first; one !== undefined; one = one.nextOpen) all.push(one)
    }
    return all.sort((one, other) => one.id - other.id)
  }

  /** The ids of one side are all odd or all even. */
  #placeOf(id: number): number {
    return (id >>> 1) & this.#mask
  }

  #put(stream: LiveStream): void {
    const place = this.#placeOf(stream.id)
    stream.nextOpen = this.#chains[place]
    this.#chains[place] = stream
  }

  #grow(): void {
    const all = this.all()
    this.#chains = new Array((this.#mask + 1) * 2).fill(undefined)
    this.#mask = this.#chains.length - 1
    for (const stream of all) this.#put(stream)
  }
}
