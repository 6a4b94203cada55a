import type { Test } from 'tap'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { AdapterHealth, RegistryAdapter } from '../../registry-adapters/adapter.ts'
import { plain } from './catalogue.ts'
import { eventually } from './eventually.ts'

/** An adapter that is being followed: everything it has said so far. */
export interface WatchedAdapter {
  readonly views: readonly RegistrySnapshot[]
  readonly health: readonly AdapterHealth[]
  /** Waits until the last view fits. */
  view(fits: (view: RegistrySnapshot) => boolean): Promise<RegistrySnapshot>
  /** Waits until the last report is of this kind, and its reason matches. */
  stands(kind: AdapterHealth['kind'], reason?: RegExp): Promise<AdapterHealth>
  /** Ends the adapter before the test ends. */
  stop(): Promise<void>
}

/** Follows an adapter until the test ends; `meanwhile` runs before each look, to move a fake clock for example. */
export function watchAdapter(
  t: Test,
  make: (report: (health: AdapterHealth) => void) => RegistryAdapter,
  meanwhile: () => unknown = () => {},
): WatchedAdapter {
  const controller = new AbortController()
  const views: RegistrySnapshot[] = []
  const health: AdapterHealth[] = []
  const adapter = make(said => void health.push(said))
  const ended = (async () => {
    for await (const view of adapter.watch(controller.signal)) views.push(view)
  })()
  const stop = async () => {
    controller.abort()
    await ended
  }
  t.teardown(stop)
  return {
    views,
    health,
    stop,
    view: fits =>
      eventually(async () => {
        await meanwhile()
        const last = views.at(-1)
        if (last !== undefined && fits(last)) return last
        throw new Error(
          `no such view; health ${JSON.stringify(health.at(-1))}, last ${JSON.stringify(last && plain(last))}`,
        )
      }),
    stands: (kind, reason = /^/) =>
      eventually(async () => {
        await meanwhile()
        const last = health.at(-1)
        if (last?.kind === kind && (last.kind === 'fresh' || reason.test(last.reason))) return last
        throw new Error(`health is ${JSON.stringify(last)}, not ${kind} ${reason}`)
      }),
  }
}

/** `address:port` of every endpoint of a service, sorted; undefined when the view has no such service. */
export function endpointsOf(view: RegistrySnapshot, name: string): string[] | undefined {
  const addresses = view.workloads
  const service = view.services.values().find(candidate => candidate.name === name)
  return service?.endpoints
    .flatMap(({ workload, ports }) => Object.values(ports).map(port => `${addresses.get(workload)?.address}:${port}`))
    .sort()
}
