import { BlockPool } from '../h2/blocks.ts'
import { TurnEnd } from './output.ts'

const blockBytes = 16 * 1024
const keptBlocks = 64

/** What the connections of one thread use together: output buffers, and one flush at the end of a turn. */
export class Http1Shared {
  readonly blocks: BlockPool
  readonly turns: TurnEnd

  constructor() {
    this.blocks = new BlockPool(blockBytes, keptBlocks)
    this.turns = new TurnEnd()
  }
}
