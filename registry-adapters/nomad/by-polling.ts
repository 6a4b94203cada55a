import { createBackoff } from '../../mesh/std/backoff.ts'
import { sleep } from '../../mesh/std/clock.ts'
import { allEnded } from './bounded.ts'
import { type FollowDeps, type Follower, retryMs, type Source } from './follow.ts'
import { createInbox } from './inbox.ts'
import type { NomadTable } from './reads.ts'
import { createWake } from './wake.ts'

const tables = ['services', 'allocations', 'nodes'] as const satisfies NomadTable[]
/** Complete reads may take at most one part in so many of the time. */
const shareOfTime = 5

/**
 * Follows Nomad without its events, until `better` resolves, whose value is given then: a blocking query on each table
 * tells that something has changed, and everything is read again. Throws WEFT_REGISTRY_UNAVAILABLE when even that
 * cannot be read at the beginning; `begun` is called when it can. Undefined when the signal has ended it.
 */
export async function followByPolling<T>(
  follower: Follower,
  deps: FollowDeps,
  begun: () => void,
  better: (signal: AbortSignal) => Promise<T | undefined>,
  signal: AbortSignal,
): Promise<T | undefined> {
  const { reads, settings, clock } = deps
  const stop = new AbortController()
  const end = () => stop.abort()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  const source: Source = {
    inbox: createInbox(() => false),
    wake: createWake(clock),
    stale: false,
    restMs: tookMs => Math.max(settings.pace.pollMs, tookMs * (shareOfTime - 1)),
  }
  try {
    const indexes = await Promise.all(tables.map(async table => reads.tableIndex(table, 0, stop.signal)))
    begun()
    const watching = tables.map((table, at) => watchTable(table, indexes[at] ?? 0, source, deps, stop.signal))
    const found = better(signal).finally(end)
    await allEnded([...watching, follower.run(source, stop.signal), found.then(() => {})])
    return await found
  } finally {
    end()
    signal.removeEventListener('abort', end)
    // Nobody will say it later: these parts exist only while this runs.
    for (const table of tables) deps.standing.succeeded(table)
  }
}

/** Marks the source stale whenever the index of a table is another one: a lower one, too. */
async function watchTable(
  table: NomadTable,
  first: number,
  source: Source,
  { reads, settings, clock, random, standing }: FollowDeps,
  signal: AbortSignal,
): Promise<void> {
  const { backoffBaseMs, backoffCapMs } = settings.pace
  const backoff = createBackoff({ baseMs: backoffBaseMs, capMs: backoffCapMs }, random)
  let known = first
  // After a failure, and when the index has fallen, the next query does not wait: Nomad may count from lower now.
  let block = true
  while (!signal.aborted) {
    try {
      const index = await reads.tableIndex(table, block ? known : 0, signal)
      block = index >= known && index > 0
      if (index !== known) {
        known = index
        source.stale = true
        source.wake.wake()
      }
      backoff.reset()
      standing.succeeded(table)
      // An answer without an index does not wait, so this does.
      if (index === 0) await sleep(clock, settings.pace.pollMs, signal)
    } catch (error) {
      if (signal.aborted) return
      block = false
      standing.failed(table, error)
      await sleep(clock, retryMs(error, backoff), signal)
    }
  }
}
