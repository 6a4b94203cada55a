import { addFlows, flowKey, maxFlows, newestFlows, type SeenFlow } from '../../mesh/flows/flow.ts'
import { type Clock, sleep } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { FlowSource } from '../../mesh/wire/report-sender.ts'

/** What data threads have seen since they were last asked. */
export interface TakenFlows {
  readonly flows: readonly SeenFlow[]
  /** Calls that there was no room for. */
  readonly dropped: number
}

export interface FlowBookDeps {
  readonly clock: Clock
  readonly log: Log
  take(): Promise<TakenFlows>
}

interface Entry extends SeenFlow {
  /** Calls that the server has not been told of. */
  readonly untold: number
}

/** The flows of this host, for the server. */
export interface FlowBook extends FlowSource {
  stop(): void
}

/** Asks the data threads every `everyMs`, and keeps what they have seen: bounded, those not seen for longest go first. */
export function startFlowBook({ clock, log, take }: FlowBookDeps, everyMs: number): FlowBook {
  const stopping = new AbortController()
  const changed = new Watch(0)
  let entries = new Map<string, Entry>()

  const learn = (flows: readonly SeenFlow[]): void => {
    for (const flow of flows) {
      const key = flowKey(flow)
      const before = entries.get(key)
      const whole = before === undefined ? flow : addFlows(before, flow)
      entries.set(key, { ...whole, untold: (before?.untold ?? 0) + flow.count })
    }
    if (entries.size > maxFlows) entries = newestFlows(entries, maxFlows)
    changed.set(changed.value + 1)
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await sleep(clock, everyMs, stopping.signal)
      if (stopping.signal.aborted) return
      try {
        const { flows, dropped } = await take()
        if (dropped > 0) log.warn('more kinds of calls were seen than are kept', { dropped, kept: flows.length })
        if (flows.length > 0) learn(flows)
      } catch (error) {
        log.debug('the calls that were seen are not known', { error: describeError(error) })
      }
    }
  }
  void run()

  return {
    changed,
    take(all) {
      const told: SeenFlow[] = []
      for (const [key, { untold, ...flow }] of entries) {
        if (!all && untold === 0) continue
        told.push({ ...flow, count: untold })
        entries.set(key, { ...flow, untold: 0 })
      }
      return told
    },
    stop: () => stopping.abort(),
  }
}
