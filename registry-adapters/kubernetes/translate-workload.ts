import { type Locality, parseLocality } from '../../mesh/model/locality.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { refusalOf } from '../instance-names.ts'
import { weightOf } from '../instance-settings.ts'
import { settingsOf } from './annotations.ts'
import type { KubeNode, KubePod } from './objects.ts'
import { compareVersions } from './resource-version.ts'
import type { Target, TranslateContext } from './translate-service.ts'

/** What is known of one workload. */
export interface WorkloadSources {
  readonly id: string
  readonly namespace: string
  /** What each Service with it says; at least one. */
  readonly targets: readonly [Target, ...Target[]]
  /** Absent for an endpoint that is no pod. */
  readonly pod: KubePod | undefined
  /** The node of that name, where nodes are read. */
  readonly nodeOf: (name: string) => KubeNode | undefined
}

/** Istio's label for the cluster of a workload: it can be named in subsets and in failover priorities. */
const clusterLabel = 'topology.istio.io/cluster'
const severity = { healthy: 0, draining: 1, unhealthy: 2 } as const

/**
 * Makes a workload. Reasons are what was left out of it, or why it is left out as a whole: an identity that cannot be
 * one must not turn into none, which would be plaintext.
 */
export function translateWorkload(
  sources: WorkloadSources,
  context: TranslateContext,
): { readonly workload?: Workload; readonly reasons: readonly string[] } {
  const { id, namespace, targets, pod } = sources
  const newest = targets.reduce((a, b) => (compareVersions(b.version, a.version) > 0 ? b : a))
  // one Service may take an unready pod (publishNotReadyAddresses); a workload has one health, so the worst counts
  const worst = targets.reduce((a, b) => (severity[b.health] > severity[a.health] ? b : a))
  const { settings, reasons } = settingsOf(pod?.annotations ?? [], 'Pod')
  const { weight = 1, reasons: wrongWeight } = weightOf(settings)
  const serviceAccount =
    settings['service-account'] ?? (context.serviceAccounts === 'pods' ? pod?.serviceAccount : undefined)
  const node = settings.node ?? (context.nodeAgents && newest.node !== '' ? newest.node : undefined)
  const name = pod?.owner ?? pod?.name ?? newest.service
  const refusal =
    refusalOf({ service: newest.service, namespace, serviceAccount, node: node ?? 'none', port: 0 }) ??
    strangerOf(pod, newest)
  if (refusal !== undefined) return { reasons: [refusal] }
  const workload: Workload = {
    id,
    registry: context.registry,
    namespace,
    name,
    address: newest.address,
    ...(node !== undefined && { node }),
    ...(serviceAccount !== undefined && { serviceAccount }),
    labels: labelsOf(pod, context),
    locality: settings.locality === undefined ? localityOf(newest, sources) : parseLocality(settings.locality),
    weight,
    health: worst.health,
    ...(worst.healthReason !== undefined && { healthReason: worst.healthReason }),
    callers: [],
  }
  return { workload, reasons: [...reasons, ...wrongWeight] }
}

/** A slice may be written by somebody else than the pod: what is at another address than the pod's own is not the pod. */
function strangerOf(pod: KubePod | undefined, { address }: Target): string | undefined {
  if (pod?.addresses === undefined || pod.addresses.includes(address)) return undefined
  return `a slice gives it the address ${address}, which is not its own`
}

/** Those of the pod as they are; `app` from the label that Kubernetes recommends, where the pod has no other. */
function labelsOf(pod: KubePod | undefined, { clusterName }: TranslateContext): Readonly<Record<string, string>> {
  const labels = pod?.labels ?? {}
  const recommended = labels['app.kubernetes.io/name']
  return {
    ...(clusterName !== undefined && { [clusterLabel]: clusterName }),
    ...(recommended !== undefined && { app: recommended }),
    ...labels,
  }
}

/** Region and zone of the node, the zone also of the slice; below that Istio's label of the node, or the node itself. */
function localityOf({ node: name, zone }: Target, { nodeOf }: WorkloadSources): Locality {
  const node = nodeOf(name)
  return { region: node?.region ?? '', zone: node?.zone || zone, subzone: node?.subzone || name }
}
