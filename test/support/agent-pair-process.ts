import { setTimeout } from 'node:timers/promises'
import { getHeapStatistics } from 'node:v8'
import { aMeshedPair } from './data-threads.ts'

/**
 * Both agents of a call, and nothing else, in a process of their own: its first argument is the port of the backend. It
 * says where the caller's agent listens, and answers every message with what the two have used so far. To be run with
 * `--expose-gc`.
 */

export interface PairReady {
  readonly kind: 'ready'
  readonly port: number
}

export interface PairUse {
  readonly kind: 'use'
  /** Bytes of V8's heap that were ever given out. */
  readonly allocated: number
  /** Bytes in use after a collection: V8's heap, and what is outside of it. */
  readonly held: number
  readonly openConnections: number
}

const tell = (message: PairReady | PairUse) => process.send?.(message)

const pair = await aMeshedPair({ teardown: () => {} }, Number(process.argv[2]), { protocol: 'http' })

process.on('message', async () => {
  const { total_allocated_bytes: allocated = 0 } = getHeapStatistics()
  // what one collection finds out, some of it in the background, another one makes use of
  for (let round = 0; round < 4; round += 1) {
    globalThis.gc?.()
    await setTimeout(50)
  }
  const { heapUsed, external } = process.memoryUsage()
  const { openConnections } = pair.caller.report().gauges
  tell({ kind: 'use', allocated, held: heapUsed + external, openConnections })
})
process.on('disconnect', () => process.exit())
tell({ kind: 'ready', port: pair.outboundPort })
