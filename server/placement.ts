import type { Workload } from '../mesh/model/workload.ts'
import {
  type ComposedPeerAuthentication,
  type ComposeOptions,
  composePeerAuthentication,
} from '../mesh/policy/peer-authentication.ts'
import type { Resource } from '../mesh/resources/resource.ts'
import type { Placement } from './compile/placement.ts'
import type { MayHold, MtlsVerdict } from './compile/settings.ts'
import type { Admission } from './identity/admission.ts'
import { mayHold } from './identity/placement.ts'
import type { RegistryConfig } from './registry-config.ts'
import type { NodeRecord } from './store/store.ts'

/** Name of the registry that consists of what operators apply through the API. */
export const resourcesRegistry = 'resources'

/** Whether only an operator can write into the registry of that name: only there a workload is evidence. */
export function operatorDeclared(registries: readonly RegistryConfig[]): (registry: string) => boolean {
  const files = registries.filter(registry => registry.kind === 'static').map(registry => registry.name)
  const trusted = new Set([...files, resourcesRegistry])
  return registry => trusted.has(registry)
}

/** Whether a scheduler decides what is where in the registry of that name, and not who registers there. */
export function scheduled(registries: readonly Pick<RegistryConfig, 'kind' | 'name'>[]): (registry: string) => boolean {
  const names = new Set(registries.filter(({ kind }) => kind === 'nomad' || kind === 'kubernetes').map(one => one.name))
  return registry => names.has(registry)
}

/**
 * Which identities the nodes may hold by where the catalogue places workloads; the same judgement as when certificates
 * are signed.
 */
export function placementVerdict(
  placement: Pick<Placement, 'workloadsOn'>,
  nodes: ReadonlyMap<string, NodeRecord>,
  operatorDeclared: (registry: string) => boolean,
  admission?: Admission,
): MayHold {
  const claim = { operatorDeclared, admission }
  return (name, identity) => {
    const node = nodes.get(name)
    const [namespace = '', serviceAccount = ''] = identity.split('/')
    if (node === undefined) return false
    const workloads = placement.workloadsOn(name)
    return mayHold({ ...claim, node, identity: { namespace, serviceAccount }, workloads }) !== undefined
  }
}

/** What plaintext may do at each port, by the PeerAuthentication policies among the resources. */
export function mtlsVerdict(resources: readonly Resource[], options: ComposeOptions): MtlsVerdict {
  const policies = resources.filter(resource => resource.kind === 'PeerAuthentication')
  const byNamespace = Map.groupBy(policies, ({ metadata }) => metadata.namespace)
  const policiesFor = ({ namespace }: Workload) =>
    [...new Set([options.rootNamespace, namespace])].flatMap(name => byNamespace.get(name) ?? [])
  const composed = new WeakMap<Workload, ComposedPeerAuthentication>()
  return (workload, port) => {
    const known = composed.get(workload) ?? composePeerAuthentication(policiesFor(workload), workload, options)
    composed.set(workload, known)
    return known.port(port)
  }
}
