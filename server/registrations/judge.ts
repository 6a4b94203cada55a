import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { describeResource, type Resource } from '../../mesh/resources/resource.ts'
import { type WorkloadEntry, workloadEntry } from '../../mesh/resources/workload-entry.ts'
import type { WorkloadGroup } from '../../mesh/resources/workload-group.ts'
import { canonicalAddress } from '../../mesh/std/ip-address.ts'
import type { Ranges } from '../../mesh/std/ip-ranges.ts'
import { hostsRegistry } from '../../mesh/wire/registration.ts'
import type { RegistrationRecord } from '../store/store.ts'

/** What registrations are judged by. */
export interface JudgeDeps {
  /** What operators applied. */
  readonly resources: readonly Resource[]
  /** Whether a node may hold `<namespace>/<service-account>`, for reasons other than that it registers itself. */
  readonly mayHold: (node: string, identity: string) => boolean
  /** Workloads of other registries at an address. */
  readonly at: (address: string) => Iterable<Workload>
  /** Where addresses may be; anywhere when absent. */
  readonly allowed?: Ranges
}

/** A registration that counts, as the WorkloadEntry that an operator would have written for it. */
export interface Admitted {
  readonly entry: WorkloadEntry
  readonly maintenance: string
}

export interface Judged {
  readonly admitted: readonly Admitted[]
  /** Those that were refused, by name with the reason. */
  readonly problems: readonly RegistryProblem[]
}

/**
 * Decides which registrations count. A host says where it is; that it may be there, an operator has said: by the
 * WorkloadGroup, and by what lets the node hold the group's identity. Of two that claim one name, or one address from
 * two nodes, the older counts.
 */
export function judgeRegistrations(registrations: readonly RegistrationRecord[], deps: JudgeDeps): Judged {
  const groups = new Map<string, WorkloadGroup>()
  const written = new Set<string>()
  for (const resource of deps.resources) {
    if (resource.kind === 'WorkloadGroup')
      groups.set(`${resource.metadata.namespace}/${resource.metadata.name}`, resource)
    else if (resource.kind === 'WorkloadEntry') written.add(describeResource(resource))
  }
  const admitted: Admitted[] = []
  const problems: RegistryProblem[] = []
  const names = new Map<string, string>()
  const addresses = new Map<string, string>()

  for (const one of registrations.toSorted(bySeniority)) {
    const judged = judge(one)
    if ('reason' in judged) problems.push({ item: itemOf(one), reason: judged.reason })
    else admitted.push(judged)
  }
  return { admitted, problems }

  function judge(one: RegistrationRecord): Admitted | { readonly reason: string } {
    const { node, group: key } = one
    const group = groups.get(key)
    if (group === undefined) return { reason: `there is no WorkloadGroup ${key}` }
    const { serviceAccount } = group.spec.template
    if (serviceAccount === undefined) {
      return { reason: `the WorkloadGroup ${key} names no serviceAccount, so nothing could vouch for its workloads` }
    }
    const identity = `${group.metadata.namespace}/${serviceAccount}`
    if (!deps.mayHold(node, identity)) {
      const reason = `${node} may not be ${identity}: neither its join token nor anything an operator wrote says so`
      return { reason }
    }
    const parsed = workloadEntry.safeParse(entryOf(one, group))
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      return { reason: `its ${issue?.path.join('.') ?? 'entry'} ${issue?.message ?? 'is not usable'}` }
    }
    const entry = parsed.data
    const name = describeResource(entry)
    if (written.has(name)) return { reason: `an operator wrote ${name} himself` }
    const namesake = names.get(name)
    if (namesake !== undefined) return { reason: `${namesake} has registered a workload of that name` }
    const address = canonicalAddress(entry.spec.address) ?? entry.spec.address
    const claimed = claimOn(address, node)
    if (claimed !== undefined) return { reason: claimed }
    names.set(name, node)
    addresses.set(address, node)
    return { entry, maintenance: one.maintenance }
  }

  /** Why an address is not this node's to claim. */
  function claimOn(address: string, node: string): string | undefined {
    if (/^127\.|^::1$/.test(address)) return `its address ${address} means another host to everybody else`
    if (deps.allowed?.has(address) === false) {
      return `its address ${address} is in none of the ranges of register.addresses`
    }
    const holder = addresses.get(address)
    if (holder !== undefined && holder !== node) return `its address ${address} is registered by ${holder}`
    for (const other of deps.at(address)) {
      if (other.registry === hostsRegistry || other.node === undefined || other.node === node) continue
      return `its address ${address} is that of ${other.id} on ${other.node}`
    }
    return undefined
  }
}

function entryOf({ name, node, address, ports }: RegistrationRecord, group: WorkloadGroup): object {
  const { namespace, name: groupName } = group.metadata
  const hasPorts = Object.keys(ports).length > 0
  return {
    apiVersion: group.apiVersion,
    kind: 'WorkloadEntry',
    metadata: { name, namespace, annotations: { 'weft.dev/group': groupName, 'weft.dev/node': node } },
    // an entry's ports take the place of all of its group's
    spec: { address, ...(hasPorts ? { ports: { ...group.spec.template.ports, ...ports } } : {}) },
  }
}

/** What a registration is called in messages. */
function itemOf({ name, node, group }: RegistrationRecord): string {
  return `registration ${name} of ${node} for ${group}`
}

function bySeniority(a: RegistrationRecord, b: RegistrationRecord): number {
  if (a.since !== b.since) return a.since - b.since
  return a.node === b.node ? (a.name < b.name ? -1 : 1) : a.node < b.node ? -1 : 1
}
