import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, sleep } from '../../mesh/std/clock.ts'
import type { AdapterDeps, RegistryAdapter } from '../adapter.ts'
import { describeThrown } from './describe-thrown.ts'
import { nextStep, settled } from './iteration.ts'
import type { Relay } from './relay.ts'
import { createViewCheck } from './view-check.ts'

/** Times of the guard, in milliseconds. */
export interface GuardPace {
  /** Views follow each other at least at this distance; what a plugin yields in between waits in the plugin. */
  readonly viewMs: number
  /** A plugin that has said nothing for so long since it was started is reported. */
  readonly silentMs: number
  /** How long a plugin may take to end after the abort. */
  readonly endMs: number
  readonly backoffBaseMs: number
  readonly backoffCapMs: number
}

export const defaultPace: GuardPace = {
  viewMs: 50,
  silentMs: 30_000,
  endMs: 2_000,
  backoffBaseMs: 1_000,
  backoffCapMs: 60_000,
}

/**
 * An adapter that keeps the contract whatever the plugin does: what it yields is checked item by item, what it throws is
 * reported and it is started again later, what it yields faster than anybody needs waits, and the abort ends the watch
 * even when the plugin does not heed it.
 */
export function guardAdapter(
  deps: AdapterDeps,
  relay: Relay,
  adapter: RegistryAdapter,
  pace: GuardPace = defaultPace,
): RegistryAdapter {
  return {
    async *watch(signal) {
      const { clock } = deps
      const check = createViewCheck()
      const backoff = createBackoff({ baseMs: pace.backoffBaseMs, capMs: pace.backoffCapMs }, deps.random)
      let last: RegistrySnapshot | undefined
      relay.open(signal)
      const silent = clock.timer(pace.silentMs, () => {
        if (!relay.hasSpoken) relay.failed(`the adapter has said nothing for ${pace.silentMs / 1000} seconds`)
      })
      try {
        while (!signal.aborted) {
          for await (const view of views(adapter, signal, clock, pace, relay)) {
            const checked = check(view)
            if (checked.kind === 'bad') {
              relay.failed(`the adapter yields a view that cannot be used: ${checked.reason}`)
              // who yields nonsense is asked less and less often, as who fails
              await sleep(clock, backoff.nextMs(), signal)
            } else {
              backoff.reset()
              relay.succeeded()
              const changed = checked.snapshot !== last
              last = checked.snapshot
              if (changed) yield last
            }
            await sleep(clock, pace.viewMs, signal)
          }
          await sleep(clock, backoff.nextMs(), signal)
        }
      } finally {
        silent.cancel()
        relay.close()
      }
    },
  }
}

/** What the plugin yields, until it ends, throws or is aborted. */
async function* views(
  adapter: RegistryAdapter,
  signal: AbortSignal,
  clock: Clock,
  pace: GuardPace,
  relay: Relay,
): AsyncGenerator<unknown, void, undefined> {
  let iterator: AsyncIterator<unknown> | undefined
  let pending: Promise<unknown> | undefined
  try {
    iterator = adapter.watch(signal)[Symbol.asyncIterator]()
    while (!signal.aborted) {
      const next = Promise.resolve(iterator.next())
      pending = next
      const step = await nextStep(next, signal)
      if (step.kind === 'aborted') return
      pending = undefined
      if (step.kind === 'ended') return relay.failed('the adapter has ended without being asked to')
      if (step.kind === 'threw') return relay.failed(`the adapter failed: ${describeThrown(step.error)}`)
      yield step.value
    }
  } catch (error) {
    relay.failed(`the adapter failed: ${describeThrown(error)}`)
  } finally {
    if (iterator !== undefined && !(await hasEnded(iterator, pending, clock, pace.endMs))) relay.stuck()
  }
}

/** Ends a plugin's iteration; false when it does not end in time. */
async function hasEnded(
  iterator: AsyncIterator<unknown>,
  pending: Promise<unknown> | undefined,
  clock: Clock,
  withinMs: number,
): Promise<boolean> {
  const end = async () => {
    // a generator that is busy answers `return` only after what it is busy with
    await Promise.all([pending, iterator.return?.()])
  }
  return settled(end(), clock, withinMs)
}
