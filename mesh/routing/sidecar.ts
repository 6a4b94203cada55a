import type { Config, SidecarSpec } from '../model/traffic.ts'
import { selectsLabels } from './visibility.ts'
import type { RoutingClient } from './world.ts'
import type { WorldIndex } from './world-index.ts'

/** What the Sidecar in force says of one workload, with the mesh's defaults. */
export interface SidecarInForce {
  /** `Sidecar shop/default`; empty without one. */
  readonly name: string
  /** What happens to calls of hosts that nobody knows. */
  readonly outboundTrafficPolicy: 'REGISTRY_ONLY' | 'ALLOW_ANY'
}

/** What a workload's Sidecar is chosen from; Sidecars oldest first. */
export interface SidecarIndex {
  readonly sidecars: readonly Config<SidecarSpec>[]
  readonly world: { readonly traffic: { readonly rootNamespace: string } }
}

/**
 * The Sidecar of a workload: of its namespace the oldest that selects it, else the oldest without a selector, else that of
 * the root namespace (networking.istio.io/v1 Sidecar).
 */
export function selectSidecar(index: SidecarIndex, client: RoutingClient): Config<SidecarSpec> | undefined {
  const { rootNamespace } = index.world.traffic
  const local = index.sidecars.filter(({ namespace }) => namespace === client.namespace)
  const own = local.find(({ spec }) => hasSelector(spec) && selectsLabels(spec.workloadSelector?.labels, client.labels))
  const ofNamespace = local.find(({ spec }) => !hasSelector(spec))
  const ofMesh = index.sidecars.find(({ namespace, spec }) => namespace === rootNamespace && !hasSelector(spec))
  return own ?? ofNamespace ?? ofMesh
}

/** A Sidecar's say, or the mesh's where there is none. */
export function sidecarInForce(index: WorldIndex, sidecar: Config<SidecarSpec> | undefined): SidecarInForce {
  const own = sidecar?.spec.outboundTrafficPolicy
  // A policy that is given and names no mode means the first of them (sidecar.proto): only the mesh's settings, which are
  // laid over Istio's own, keep ALLOW_ANY.
  const policy =
    own === undefined ? index.world.traffic.mesh.outboundTrafficPolicy : { mode: own.mode ?? 'REGISTRY_ONLY' }
  return {
    name: sidecar === undefined ? '' : `Sidecar ${sidecar.namespace}/${sidecar.name}`,
    outboundTrafficPolicy: policy?.mode ?? 'ALLOW_ANY',
  }
}

function hasSelector({ workloadSelector }: SidecarSpec): boolean {
  return workloadSelector !== undefined
}
