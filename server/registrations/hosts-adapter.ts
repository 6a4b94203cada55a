import type { RegistryProblem, RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { sharing } from '../../mesh/model/sharing.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import type { Ranges } from '../../mesh/std/ip-ranges.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Table } from '../../mesh/std/table.ts'
import { Watch } from '../../mesh/std/watch.ts'
import { hostsRegistry } from '../../mesh/wire/registration.ts'
import type { AdapterDeps, RegistryAdapter } from '../../registry-adapters/adapter.ts'
import type { Admission } from '../identity/admission.ts'
import { mayHold } from '../identity/placement.ts'
import type { NodeRecord, RegistrationRecord } from '../store/store.ts'
import { judgeRegistrations } from './judge.ts'
import type { KnownWorkloads, Touched } from './known-workloads.ts'
import { hostsSnapshot } from './snapshot.ts'

export interface HostsDeps {
  /** The registrations in force, by node. */
  readonly registrations: Watch<Table<readonly RegistrationRecord[]>>
  readonly resources: Watch<readonly Resource[]>
  readonly nodes: Watch<ReadonlyMap<string, NodeRecord>>
  /** What all other registries know. */
  readonly known: KnownWorkloads
  /** Whether only an operator can write into the registry of that name; never true of this one. */
  readonly operatorDeclared: (registry: string) => boolean
  /** What JoinPolicies say; none lets nothing in that joined with other evidence than a token. */
  readonly admission?: Watch<Admission>
  /** Where addresses may be; anywhere when absent. */
  readonly allowed?: Ranges
}

/**
 * What hosts register themselves, as a registry like any other. It is never out of touch. That a host registers
 * something is no reason to let it be that: a registration counts when the node may hold the identity without it.
 */
export function createHostsAdapter(deps: HostsDeps, { log }: Pick<AdapterDeps, 'log'>): RegistryAdapter {
  const { registrations, resources, nodes, known } = deps

  function view(): { readonly snapshot: RegistrySnapshot; readonly refused: readonly RegistryProblem[] } {
    const all = [...registrations.value.values()].flat()
    const { admitted, problems } = judgeRegistrations(all, {
      resources: resources.value,
      at: address => known.at(address),
      ...(deps.allowed === undefined ? {} : { allowed: deps.allowed }),
      mayHold: (node, identity) => holds(nodes.value.get(node), identity, known.on(node), deps),
    })
    return { snapshot: hostsSnapshot(admitted, resources.value, problems), refused: problems }
  }

  return {
    async *watch(signal) {
      const changed = new Watch(0)
      const poke = () => changed.set(changed.value + 1)
      const touched = (where: Touched) => {
        if (concerns(where, registrations.value)) poke()
      }
      const ends = [registrations.subscribe(poke), resources.subscribe(poke), nodes.subscribe(poke)]
      ends.push(known.subscribe(touched))
      if (deps.admission !== undefined) ends.push(deps.admission.subscribe(poke))
      let last: RegistrySnapshot | undefined
      let told: readonly RegistryProblem[] = []
      try {
        for await (const _ of changed.changes(signal)) {
          const { snapshot, refused } = view()
          tell(log, told, refused)
          told = refused
          const next = sharing(last, snapshot)
          if (next !== last) yield next
          last = next
        }
      } finally {
        for (const end of ends) end()
      }
    },
  }
}

function holds(
  node: NodeRecord | undefined,
  identity: string,
  workloads: Iterable<Workload>,
  { operatorDeclared, admission }: Pick<HostsDeps, 'operatorDeclared' | 'admission'>,
): boolean {
  const [namespace = '', serviceAccount = ''] = identity.split('/')
  if (node === undefined) return false
  const claim = { node, identity: { namespace, serviceAccount }, workloads, operatorDeclared }
  if (mayHold({ ...claim, admission: admission?.value }) !== undefined) return true
  // a policy that names this registry lets hosts say themselves which of the identities it names they are
  return !node.banned && admission?.value.right(node, identity, hostsRegistry) !== undefined
}

function concerns({ addresses, nodes }: Touched, registrations: Table<readonly RegistrationRecord[]>): boolean {
  return registrations
    .entries()
    .some(([node, list]) => nodes.has(node) || list.some(({ address }) => addresses.has(address)))
}

function tell(log: Log, before: readonly RegistryProblem[], now: readonly RegistryProblem[]): void {
  const known = new Set(before.map(({ item, reason }) => `${item}: ${reason}`))
  for (const { item, reason } of now) {
    if (!known.has(`${item}: ${reason}`)) log.warn('a registration is refused', { item, reason })
  }
}
