import { isDeepStrictEqual } from 'node:util'
import {
  type CatalogueWorkload,
  emptySnapshot,
  type RegistryProblem,
  type RegistrySnapshot,
} from '../../mesh/model/catalogue.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { changedKeys, type Table, tableOf } from '../../mesh/std/table.ts'
import { type NodeRegistrations, type ProbedHealth, probedHealth } from '../health/host-reports.ts'
import { createClaims } from './claims.ts'
import { withHostClaims } from './host-claims.ts'
import { type Claim, type MergedService, mergeService } from './merge.ts'
import type { MergeRules } from './merge-rules.ts'
import { createProblemList } from './problem-list.ts'
import { createReferences } from './references.ts'
import { judgeHealth } from './workload-health.ts'

/** What one registry says, and what of that has vanished and is kept. */
export interface RegistryInput {
  readonly name: string
  readonly kind: string
  readonly snapshot: RegistrySnapshot
  /** By workload id. */
  readonly held: Table<unknown>
}

/** Everything that the catalogue is made of. */
export interface AssemblyInput {
  /** In the order of the configuration, which decides collisions; always the same registries. */
  readonly registries: readonly RegistryInput[]
  readonly rules: MergeRules
  /** What the hosts' agents found, by workload id. */
  readonly probed: Table<readonly ProbedHealth[]>
  /** Hosts whose agents have reported, by name. */
  readonly reporting: Table<NodeRegistrations>
  /** Milliseconds since 1970. */
  readonly now: number
}

/** All registries as one, ordered by key. */
export interface Assembled {
  readonly services: Table<MergedService>
  readonly workloads: Table<CatalogueWorkload>
  readonly problems: readonly RegistryProblem[]
}

/**
 * Makes one catalogue out of several registries. The function returned is called with each newer state in turn and
 * works on what differs from the one before; workload ids cannot collide, because each begins with its registry's name.
 */
export function createAssembly(dnsDomain: string): (input: AssemblyInput) => Assembled {
  const claims = createClaims(dnsDomain)
  const nodes = createReferences()
  /** Workloads of services that more than one registry speaks of: there a service depends on its workloads. */
  const shared = createReferences()
  const sharedKeys = new Set<string>()
  const origins = new WeakMap<CatalogueWorkload, Workload>()
  const mergeProblems = createProblemList()
  const claimProblems = createProblemList()
  let seen: AssemblyInput | undefined
  let merged: Table<MergedService> = tableOf()
  let services: Table<MergedService> = tableOf()
  let workloads: Table<CatalogueWorkload> = tableOf()

  const changedWorkloads = (input: AssemblyInput): Set<string> => {
    const ids = new Set(changedKeys(seen?.probed ?? tableOf(), input.probed))
    for (const [index, { snapshot, held }] of input.registries.entries()) {
      const before = seen?.registries[index]
      for (const id of changedKeys((before?.snapshot ?? emptySnapshot).workloads, snapshot.workloads)) ids.add(id)
      for (const id of changedKeys(before?.held ?? tableOf(), held)) ids.add(id)
    }
    for (const node of changedKeys(seen?.reporting ?? tableOf(), input.reporting)) {
      for (const id of nodes.ownersOf(node)) ids.add(id)
    }
    return ids
  }

  const changedServices = (input: AssemblyInput, changed: Iterable<string>): Set<string> => {
    const keys = new Set<string>()
    for (const [index, { snapshot }] of input.registries.entries()) {
      const before = seen?.registries[index]?.snapshot ?? emptySnapshot
      for (const key of changedKeys(before.services, snapshot.services)) keys.add(key)
    }
    for (const id of changed) for (const key of shared.ownersOf(id)) keys.add(key)
    if (seen?.rules !== input.rules) for (const key of sharedKeys) keys.add(key)
    return keys
  }

  const judgeWorkload = (id: string, input: AssemblyInput): CatalogueWorkload | undefined => {
    const registry = input.registries.find(({ name }) => id.startsWith(`${name}/`))
    const workload = registry?.snapshot.workloads.get(id)
    nodes.set(id, workload?.node === undefined ? [] : [workload.node])
    if (registry === undefined || workload === undefined) return undefined
    const before = workloads.get(id)
    const held = registry.held.has(id)
    const reporting = workload.node !== undefined && input.reporting.get(workload.node)?.connected === true
    const found = probedHealth(input.probed, workload)
    const judged = judgeHealth(workload, registry.kind, { found, reporting, held, before })
    const healthSince = before?.health === judged.health ? before.healthSince : input.now
    const { healthReason: _, ...rest } = workload
    const now = { ...rest, ...judged, since: before?.since ?? input.now, healthSince, held }
    if (before !== undefined && origins.get(before) === workload && isDeepStrictEqual(before, now)) return before
    origins.set(now, workload)
    return now
  }

  const mergeClaims = (key: string, input: AssemblyInput): MergedService | undefined => {
    const said = input.registries.flatMap(({ name, snapshot }): Claim[] => {
      const service = snapshot.services.get(key)
      return service === undefined ? [] : [{ registry: name, service }]
    })
    const all = withHostClaims(said)
    const [first, ...others] = all
    const several = others.length > 0 ? all : []
    shared.set(
      key,
      several.flatMap(({ service }) => service.endpoints.map(endpoint => endpoint.workload)),
    )
    if (others.length > 0) sharedKeys.add(key)
    else sharedKeys.delete(key)
    if (first === undefined) {
      mergeProblems.set(key, [])
      return undefined
    }
    const verdict = input.rules.ruleFor(first.service)
    const { service, problems } = mergeService(key, [first, ...others], verdict, id => workloads.get(id))
    mergeProblems.set(key, problems)
    return reused(merged.get(key), service)
  }

  const settle = (key: string): MergedService | undefined => {
    const service = merged.get(key)
    const settled = service === undefined ? undefined : claims.settle(key, service)
    claimProblems.set(key, settled?.problems ?? [])
    return settled === undefined ? undefined : reused(services.get(key), settled.service)
  }

  let problems: readonly RegistryProblem[] = []
  const tellProblems = createProblemTeller()

  return input => {
    const ids = changedWorkloads(input)
    workloads = workloads.with([...ids].map(id => [id, judgeWorkload(id, input)]))
    const keys = changedServices(input, ids)
    const changes = [...keys].map(key => [key, mergeClaims(key, input)] as const)
    merged = merged.with(changes)
    services = services.with([...claims.update(changes)].map(key => [key, settle(key)]))
    problems = tellProblems(input.registries, [mergeProblems.all, claimProblems.all])
    seen = input
    return { services, workloads, problems }
  }
}

function reused(before: MergedService | undefined, now: MergedService): MergedService {
  return before !== undefined && isDeepStrictEqual(before, now) ? before : now
}

/** Puts the problems of all sources together, again only when one has changed. */
function createProblemTeller() {
  let sources: readonly (readonly RegistryProblem[])[] = []
  let told: readonly RegistryProblem[] = []
  return (registries: readonly RegistryInput[], others: readonly (readonly RegistryProblem[])[]) => {
    const now = [...registries.map(({ snapshot }) => snapshot.problems), ...others]
    if (now.length === sources.length && now.every((source, index) => source === sources[index])) return told
    sources = now
    told = [
      ...registries.flatMap(({ name, snapshot }) => {
        return snapshot.problems.map(({ item, reason }) => ({ item: `${name}: ${item}`, reason }))
      }),
      ...others.flat(),
    ]
    return told
  }
}
