import { isDeepStrictEqual } from 'node:util'
import type { Test } from 'tap'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { type Clock, systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import type { AdapterHealth } from '../../registry-adapters/adapter.ts'
import { plain } from '../support/catalogue.ts'
import { eventually } from '../support/eventually.ts'
import type { RegistryDriver } from './registry-driver.ts'

/** What the adapter under test is called. */
export const registryName = 'under-test'

export interface Watching {
  readonly views: RegistrySnapshot[]
  readonly health: AdapterHealth[]
  /** Settles with the iteration. */
  readonly ended: Promise<void>
  /** The first view, from the last one taken on, that fits. */
  until(fits: (view: RegistrySnapshot) => boolean): Promise<RegistrySnapshot>
  abort(): void
  pendingTimers(): number
}

/** Follows an adapter in the background, keeping all it says. */
export function watch(t: Test, driver: RegistryDriver, given?: AbortSignal): Watching {
  const controller = new AbortController()
  const signal = given ?? controller.signal
  const timers = countingClock()
  const views: RegistrySnapshot[] = []
  const health: AdapterHealth[] = []
  const adapter = driver.adapter({
    name: registryName,
    clock: timers.clock,
    random: systemRandom,
    log: silentLog,
    report: said => void health.push(said),
  })
  const run = async () => {
    for await (const view of adapter.watch(signal)) {
      if (signal.aborted) t.fail('a view came after the abort')
      const last = views.at(-1)
      if (last !== undefined && isDeepStrictEqual(plain(view), plain(last))) t.fail('two views in a row say the same')
      views.push(view)
    }
  }
  const ended = run()
  let failure: unknown
  ended.catch(error => {
    failure = error
  })
  t.teardown(async () => {
    controller.abort()
    await ended
  })
  let taken = 0
  return {
    views,
    health,
    ended,
    abort: () => controller.abort(),
    pendingTimers: timers.pending,
    until: fits =>
      eventually(() => {
        if (failure !== undefined) throw failure
        const at = views.findIndex((view, index) => index >= taken && fits(view))
        const found = views[at]
        if (found === undefined) {
          const last = JSON.stringify(views.slice(-1).map(plain)).slice(0, 2000)
          throw new Error(`no such view; the last one: ${last}`)
        }
        taken = at
        return found
      }),
  }
}

export function expectHealth(watching: Watching, kind: AdapterHealth['kind']): void {
  const last = watching.health.at(-1)
  if (last?.kind !== kind) throw new Error(`health is ${JSON.stringify(last)}, not ${kind}`)
}

export function expectNoTimers(watching: Watching): void {
  if (watching.pendingTimers() > 0) throw new Error(`${watching.pendingTimers()} timers left`)
}

/** `address:port` of every endpoint of a service, sorted; empty for a service that is not there. */
export function placed(view: RegistrySnapshot, name: string): string[] {
  const endpoints = [...view.services.values()]
    .filter(service => service.name === name)
    .flatMap(service => service.endpoints)
  return endpoints
    .flatMap(({ workload, ports }) =>
      Object.values(ports).map(port => `${view.workloads.get(workload)?.address}:${port}`),
    )
    .sort()
}

/** The real clock, knowing which of its timers are still pending. */
function countingClock(): { clock: Clock; pending(): number } {
  const pending = new Set<object>()
  const clock: Clock = {
    ...systemClock,
    timer(delayMs, run) {
      const mark = {}
      pending.add(mark)
      const timer = systemClock.timer(delayMs, () => {
        pending.delete(mark)
        run()
      })
      return {
        cancel() {
          pending.delete(mark)
          timer.cancel()
        },
      }
    },
  }
  return { clock, pending: () => pending.size }
}

/** Throws while more is open than before. */
export function expectNoHandles(before: ReadonlyMap<string, number>): void {
  const left = [...openHandles()].filter(([kind, count]) => count > (before.get(kind) ?? 0))
  if (left.length > 0) throw new Error(`left open: ${left.map(([kind, count]) => `${count} ${kind}`).join(', ')}`)
}

/** What keeps this process alive, by kind; timers are left to {@link countingClock}, as `eventually` has its own. */
export function openHandles(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (kind !== 'Timeout' && kind !== 'Immediate') counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}
