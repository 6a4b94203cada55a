import type { Resource } from '../../mesh/resources/resource.ts'
import type { Clock, Random } from '../../mesh/std/clock.ts'
import { createRanges } from '../../mesh/std/ip-ranges.ts'
import { Started } from '../../mesh/std/lifecycle.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Table } from '../../mesh/std/table.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import { hostsRegistry } from '../../mesh/wire/registration.ts'
import type { ItemRules } from '../catalogue/check-workload.ts'
import type { MassRemovalRule } from '../catalogue/mass-removal.ts'
import { type RegistryView, startRegistryView } from '../catalogue/registry-view.ts'
import { createValidator } from '../catalogue/validate.ts'
import type { ViewCache } from '../catalogue/view-cache.ts'
import type { NodeRegistrations } from '../health/host-reports.ts'
import type { Admission } from '../identity/admission.ts'
import type { NodeRecord, RegistrationStore } from '../store/store.ts'
import { createHostsAdapter } from './hosts-adapter.ts'
import { startRegistrationKeeper } from './keeper.ts'
import { followWorkloads } from './known-workloads.ts'
import { startReleaseHeld } from './release-held.ts'
import { createRegistrationSaver } from './saver.ts'

export interface HostsRegistryDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly store: RegistrationStore
  /** What nodes registered last, by node. */
  readonly reports: Watch<Table<NodeRegistrations>>
  readonly resources: Watch<readonly Resource[]>
  readonly nodes: Watch<ReadonlyMap<string, NodeRecord>>
  /** All other registries. */
  readonly others: readonly Pick<RegistryView, 'snapshot'>[]
  readonly operatorDeclared: (registry: string) => boolean
  /** What JoinPolicies say; a registration that one of them believes is believed. */
  readonly admission?: Watch<Admission>
  readonly rules: Omit<ItemRules, 'trustCallers'>
}

export interface HostsRegistryOptions {
  /** How long registrations outlive the connection of their node. */
  readonly graceMs: number
  /** Ranges that addresses must be in; none allows all. */
  readonly addresses: readonly string[]
  readonly massRemoval: MassRemovalRule
}

/** Registrations are in the store already. */
const noCache: ViewCache = { load: async () => undefined, save() {}, stop: async () => {} }

/** Starts the registry of what hosts register themselves, with what was kept of it. Throws WEFT_STORE. */
export async function startHostsRegistry(
  deps: HostsRegistryDeps,
  options: HostsRegistryOptions,
): Promise<{ readonly view: RegistryView; stop(): Promise<void> }> {
  const { log, reports } = deps
  const started = new Started()
  const kept = await deps.store.list()
  const saver = createRegistrationSaver(deps)
  started.add(() => saver.stop())
  const keeper = startRegistrationKeeper(
    { ...deps, save: (node, registrations) => saver.save(node, registrations) },
    { kept, graceMs: options.graceMs },
  )
  started.add(() => keeper.stop())
  const known = followWorkloads(deps.others)
  started.add(() => known.stop())
  // callers and checks are the group's, which an operator wrote: a host cannot say any
  const validate = createValidator(hostsRegistry, { ...deps.rules, trustCallers: true })
  const allowed = options.addresses.length === 0 ? {} : { allowed: createRanges(options.addresses) }
  const view = startRegistryView(
    { ...deps, cache: noCache, map: view => view, validate },
    { name: hostsRegistry, kind: hostsRegistry, massRemoval: options.massRemoval },
    adapterDeps => createHostsAdapter({ ...deps, ...allowed, registrations: keeper.nodes, known }, adapterDeps),
  )
  started.add(() => view.stop())
  const release = startReleaseHeld({ view, keeper, reports })
  started.add(() => release.stop())
  if (kept.length > 0) log.info('registrations of hosts are kept from the last run', { registrations: kept.length })
  return { view, stop: () => started.stop() }
}
