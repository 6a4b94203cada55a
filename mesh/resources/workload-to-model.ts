import { networkLabel, parseLocality, unknownLocality } from '../model/locality.ts'
import { type Probe, probeDefaults } from '../model/probe.ts'
import type { Workload } from '../model/workload.ts'
import { canonicalAddress } from '../std/ip-address.ts'
import { callersFromAnnotations } from './annotations.ts'
import { probeFromReadiness } from './readiness-probe.ts'
import type { WorkloadEntry } from './workload-entry.ts'
import type { WorkloadGroup } from './workload-group.ts'

type WorkloadSpec = WorkloadEntry['spec']

/** A WorkloadEntry with what its group says, and what only a group can say. */
export interface JoinedEntry extends WorkloadEntry {
  readonly probe?: Probe
}

/** A workload as a WorkloadEntry tells it; `entry` has been joined with its group, if it has one. */
export function workloadFromEntry(registryName: string, entry: JoinedEntry): Workload {
  const { namespace, name } = entry.metadata
  const annotations = entry.metadata.annotations ?? {}
  const node = annotations['weft.dev/node']
  const probe = probeOfEntry(entry)
  return {
    id: workloadId(registryName, namespace, name),
    registry: registryName,
    namespace,
    name,
    ...workloadBasics(entry.spec),
    ...(node === undefined ? {} : { node }),
    labels: entryLabels(entry),
    ...(probe === undefined ? {} : { probe }),
    callers: callersFromAnnotations(annotations),
  }
}

/** False where it has a name instead, which callers look up. */
export function hasAddress({ spec }: WorkloadEntry): boolean {
  return canonicalAddress(spec.address) !== undefined
}

/** `<registry>/<namespace>/<name>`: stable as long as the entry keeps its name. */
export function workloadId(registryName: string, namespace: string, name: string): string {
  return `${registryName}/${namespace}/${name}`
}

/** What the spec alone says: of a WorkloadEntry and of a ServiceEntry's endpoint alike. */
export function workloadBasics(
  spec: WorkloadSpec,
): Pick<Workload, 'address' | 'serviceAccount' | 'locality' | 'weight' | 'health'> {
  const { address, serviceAccount, locality, weight } = spec
  return {
    address: canonicalAddress(address) ?? address,
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    locality: locality === undefined ? unknownLocality : parseLocality(locality),
    // protobuf cannot tell 0 from nothing said, so Istio takes both for 1
    weight: weight === undefined || weight === 0 ? 1 : weight,
    health: 'healthy',
  }
}

/** Labels to select by and to show: of the spec and the metadata, the latter winning, as in Istio. */
export function entryLabels({ spec, metadata }: WorkloadEntry): Readonly<Record<string, string>> {
  return endpointLabels({ ...spec, labels: { ...spec.labels, ...metadata.labels } })
}

/** An endpoint's labels, with its network as one of them; a label that is written wins, as in Istio. */
export function endpointLabels({ labels = {}, network }: Pick<WorkloadSpec, 'labels' | 'network'>): Workload['labels'] {
  return network && !labels[networkLabel] ? { ...labels, [networkLabel]: network } : labels
}

/** The entry with everything it leaves open taken from its group. */
export function joinGroup(entry: WorkloadEntry, group: WorkloadGroup): JoinedEntry {
  const { metadata = {}, template } = group.spec
  const unit = metadata.annotations?.['weft.dev/health-unit']
  const probe = group.spec.probe === undefined ? undefined : probeFromReadiness(group.spec.probe, unit)
  const { ports, network, locality, weight, serviceAccount } = template
  const spec: WorkloadSpec = { ports, network, locality, weight, serviceAccount, ...withoutUndefined(entry.spec) }
  return {
    ...entry,
    ...(probe === undefined ? {} : { probe }),
    metadata: { ...entry.metadata, annotations: { ...metadata.annotations, ...entry.metadata.annotations } },
    spec: { ...spec, labels: { ...template.labels, ...metadata.labels, ...entry.spec.labels } },
  }
}

/** A unit that is named goes before what the group checks, at the group's pace. */
function probeOfEntry({ metadata, probe }: JoinedEntry): Probe | undefined {
  const unit = metadata.annotations?.['weft.dev/health-unit']
  return unit === undefined ? probe : { ...probeDefaults, ...probe, check: { kind: 'unit', unit } }
}

function withoutUndefined(spec: WorkloadSpec): WorkloadSpec {
  const given = Object.entries(spec).filter(([, value]) => value !== undefined)
  return { ...spec, ...Object.fromEntries(given) }
}
