import type { HeaderList } from '../stream.ts'

const slots = 8
const maxBlockBytes = 512
/** Not every new block is worth its copy: lists that never repeat would push out those that do. */
const rememberOneIn = 4

interface Entry {
  readonly block: Buffer
  readonly list: HeaderList
}

/**
 * The last few header blocks that did not depend on decoder state, with what they mean: a CONNECT to the same address
 * and its `200` come again and again.
 */
export class BlockCache {
  readonly #entries: Entry[] = []
  #next = 0
  #misses = 0

  /** The list a block decoded to before, or undefined. */
  find(block: Buffer): HeaderList | undefined {
    for (const entry of this.#entries) if (sameBytes(entry.block, block)) return entry.list
    return undefined
  }

  /** May remember a list under a copy of its block. */
  remember(block: Buffer, list: HeaderList): void {
    this.#misses += 1
    if (block.length > maxBlockBytes || this.#misses % rememberOneIn !== 1) return
    this.#entries[this.#next] = { block: Buffer.from(block), list: [...list] }
    this.#next = (this.#next + 1) % slots
  }
}

/** From the end, where similar blocks differ. */
function sameBytes(a: Buffer, b: Buffer): boolean {
  if (a.length !== b.length) return false
  for (let at = a.length - 1; at >= 0; at -= 1) if (a[at] !== b[at]) return false
  return true
}
