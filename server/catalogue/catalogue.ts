import { type CatalogueService, type CatalogueSnapshot, emptySnapshot } from '../../mesh/model/catalogue.ts'
import { type Clock, sleep } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { changedKeys, type Table, tableOf } from '../../mesh/std/table.ts'
import { Watch } from '../../mesh/std/watch.ts'
import { type AssemblyInput, createAssembly } from './assembly.ts'
import type { MergedService } from './merge.ts'
import type { MergeRules } from './merge-rules.ts'
import type { RegistryView } from './registry-view.ts'
import type { VirtualIps } from './virtual-ips.ts'

export interface CatalogueDeps {
  readonly clock: Clock
  readonly log: Log
  readonly virtualIps: VirtualIps
  /** In the order of the configuration, which decides collisions. */
  readonly views: readonly Pick<RegistryView, 'name' | 'kind' | 'snapshot' | 'held'>[]
  readonly rules: Watch<MergeRules>
  /** What the hosts' agents found out about their workloads, by workload id. */
  readonly probed: Watch<AssemblyInput['probed']>
  /** Hosts whose agents have reported, by name. */
  readonly reporting: Watch<AssemblyInput['reporting']>
  /** Is given each catalogue; {@link emptyCatalogue} before the first. */
  readonly snapshot: Watch<CatalogueSnapshot>
}

/** All registries as one, followed. */
export interface Catalogue {
  /** True once every registry has given a first view, or has had its time for it. */
  readonly ready: Watch<boolean>
  stop(): Promise<void>
}

/** An empty catalogue: before any registry has spoken. */
export const emptyCatalogue: CatalogueSnapshot = { services: tableOf(), workloads: tableOf(), problems: [] }

/** How long a registry may take for the first view of its life before the others go on without it. */
const firstViewMs = 15_000
/** Changes within this time become one rebuild; the first one is not kept waiting. */
const restMs = 20
const storeRetryMs = 5000

/**
 * Merges the registries' views whenever one changes and gives every service its virtual IPs. Nothing is published
 * before all registries have spoken: half a catalogue would tell agents to forget the other half.
 */
export function startCatalogue(deps: CatalogueDeps, options: { readonly dnsDomain: string }): Catalogue {
  const ready = new Watch(false)
  const stopping = new AbortController()
  const changed = new Watch(0)
  const poke = () => changed.set(changed.value + 1)
  const sources = [...deps.views.flatMap(view => [view.snapshot, view.held]), deps.rules, deps.probed, deps.reporting]
  const unsubscribe = sources.map(source => source.subscribe(poke))
  const known = () => deps.views.every(view => view.snapshot.value !== undefined)
  let patience = true
  const deadline = deps.clock.timer(firstViewMs, () => {
    patience = false
    poke()
  })
  let retry = deps.clock.timer(0, () => {})
  const assemble = createAssembly(options.dnsDomain)
  const addVirtualIps = createVirtualIpStage(deps.virtualIps)

  const rebuild = async (): Promise<void> => {
    const registries = deps.views.map(({ name, kind, snapshot: view, held }) => {
      return { name, kind, snapshot: view.value ?? emptySnapshot, held: held.value }
    })
    const [rules, probed, reporting] = [deps.rules.value, deps.probed.value, deps.reporting.value]
    const assembled = assemble({ registries, rules, probed, reporting, now: deps.clock.now() })
    const { services, lacking, failure } = await addVirtualIps(assembled.services)
    if (failure !== undefined) {
      deps.log.error('new services get no virtual IPs while the store fails', { error: describeError(failure) })
      retry.cancel()
      retry = deps.clock.timer(storeRetryMs, poke)
    }
    const problems = lacking.map(key => ({ item: `service ${key}`, reason: 'there is no virtual IP for it' }))
    deps.snapshot.set({
      services,
      workloads: assembled.workloads,
      problems: problems.length === 0 ? assembled.problems : [...assembled.problems, ...problems],
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

/**
 * Gives each service its addresses; those that can have none yet are named and tried again at the next call. A service
 * whose connections go on to where they were made to has none: that would be nowhere.
 */
function createVirtualIpStage(virtualIps: VirtualIps) {
  let seen: Table<MergedService> = tableOf()
  let services: Table<CatalogueService> = tableOf()
  const lacking = new Set<string>()
  return async (next: Table<MergedService>) => {
    const keys = new Set([...changedKeys(seen, next), ...lacking])
    const present = [...keys].filter(key => {
      const service = next.get(key)
      return service !== undefined && hasVirtualIps(service)
    })
    const { addresses, failure } = await virtualIps.assign(present)
    lacking.clear()
    for (const key of present) if (!addresses.has(key)) lacking.add(key)
    services = services.with(
      [...keys].map(key => {
        const service = next.get(key)
        const own = service === undefined || !hasVirtualIps(service) ? [] : (addresses.get(key) ?? [])
        return [key, service === undefined ? undefined : { ...service, virtualIps: own }]
      }),
    )
    seen = next
    return { services, lacking: [...lacking], ...(failure === undefined ? {} : { failure }) }
  }
}

/** What goes to an address or a name that only the caller knows cannot be found behind an address of the mesh. */
function hasVirtualIps({ resolution }: MergedService): boolean {
  return resolution !== 'none' && resolution !== 'dynamic-dns'
}
