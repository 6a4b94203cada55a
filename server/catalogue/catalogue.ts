import type { CatalogueService, CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import { type Clock, sleep } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import { settleClaims } from './claims.ts'
import { type MergedService, mergeRegistries } from './merge.ts'
import type { MergeRules } from './merge-rules.ts'
import type { RegistryView } from './registry-view.ts'
import type { VirtualIps } from './virtual-ips.ts'

export interface CatalogueDeps {
  readonly clock: Clock
  readonly log: Log
  readonly virtualIps: VirtualIps
  /** In the order of the configuration, which decides collisions. */
  readonly views: readonly Pick<RegistryView, 'name' | 'snapshot'>[]
}

export interface CatalogueOptions {
  readonly merge: MergeRules
  readonly dnsDomain: string
}

/** All registries as one, followed. */
export interface Catalogue {
  readonly snapshot: Watch<CatalogueSnapshot>
  /** True once every registry has given a first view, or has had its time for it. */
  readonly ready: Watch<boolean>
  stop(): Promise<void>
}

/** An empty catalogue: before any registry has spoken. */
export const emptyCatalogue: CatalogueSnapshot = { services: new Map(), workloads: new Map(), problems: [] }

/** How long a registry may take for the first view of its life before the others go on without it. */
const firstViewMs = 15_000
/** Changes within this time become one rebuild; the first one is not kept waiting. */
const restMs = 20
const storeRetryMs = 5000

/**
 * Merges the registries' views whenever one changes and gives every service its virtual IPs. Nothing is published
 * before all registries have spoken: half a catalogue would tell agents to forget the other half.
 */
export function startCatalogue(deps: CatalogueDeps, options: CatalogueOptions): Catalogue {
  const snapshot = new Watch(emptyCatalogue)
  const ready = new Watch(false)
  const stopping = new AbortController()
  const changed = new Watch(0)
  const poke = () => changed.set(changed.value + 1)
  const unsubscribe = deps.views.map(view => view.snapshot.subscribe(poke))
  const known = () => deps.views.every(view => view.snapshot.value !== undefined)
  let patience = true
  const deadline = deps.clock.timer(firstViewMs, () => {
    patience = false
    poke()
  })
  let retry = deps.clock.timer(0, () => {})
  const reuse = new Map<string, Reused>()

  const rebuild = async (): Promise<void> => {
    const inputs = deps.views.flatMap(view => {
      const value = view.snapshot.value
      return value === undefined ? [] : [{ name: view.name, snapshot: value }]
    })
    const merged = mergeRegistries(inputs, options.merge)
    const settled = settleClaims(merged.services, options.dnsDomain)
    const { addresses, failure } = await deps.virtualIps.assign([...settled.services.keys()])
    if (failure !== undefined) {
      deps.log.error('new services get no virtual IPs while the store fails', { error: describeError(failure) })
      retry.cancel()
      retry = deps.clock.timer(storeRetryMs, poke)
    }
    const without = [...settled.services.keys()].filter(key => !addresses.has(key))
    const lacking = without.map(key => ({ item: `service ${key}`, reason: 'there is no virtual IP for it' }))
    snapshot.set({
      services: withVirtualIps(settled.services, addresses, reuse),
      workloads: merged.workloads,
      problems: [...merged.problems, ...settled.problems, ...lacking],
    })
  }

  const run = async (): Promise<void> => {
    for await (const _ of changed.changes(stopping.signal)) {
      if (!known() && patience) continue
      try {
        await rebuild()
        if (!ready.value && !known()) deps.log.warn('serving although a registry has never answered')
        ready.set(true)
      } catch (error) {
        // the last good catalogue stays; the next change tries again
        deps.log.error('the registries could not be merged', { error: describeError(error) })
      }
      await sleep(deps.clock, restMs, stopping.signal)
    }
  }
  const running = run()
  return {
    snapshot,
    ready,
    async stop() {
      stopping.abort()
      deadline.cancel()
      retry.cancel()
      for (const end of unsubscribe) end()
      await running
    },
  }
}

/** A service as it was published, with what it was made of. */
interface Reused {
  readonly from: MergedService
  readonly service: CatalogueService
}

function withVirtualIps(
  services: ReadonlyMap<string, MergedService>,
  addresses: ReadonlyMap<string, readonly string[]>,
  reuse: Map<string, Reused>,
): ReadonlyMap<string, CatalogueService> {
  const result = new Map<string, CatalogueService>()
  for (const [key, from] of services) {
    const virtualIps = addresses.get(key) ?? []
    const had = reuse.get(key)
    const same = had !== undefined && sameParts(had.from, from) && had.service.virtualIps === virtualIps
    const service = same ? had.service : { ...from, virtualIps }
    reuse.set(key, { from, service })
    result.set(key, service)
  }
  for (const key of reuse.keys()) if (!services.has(key)) reuse.delete(key)
  return result
}

/** Compares by reference: registries hand on the same objects as long as they say the same. */
function sameParts(a: MergedService, b: MergedService): boolean {
  const same =
    a.ports === b.ports &&
    a.endpoints === b.endpoints &&
    a.hosts === b.hosts &&
    a.addresses === b.addresses &&
    a.location === b.location
  return same && a.registries.join() === b.registries.join()
}
