import { isDnsName } from '../../mesh/resources/primitives.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { dnsLabel } from '../instance-names.ts'

/** Which cluster to read, and how its services become services of the mesh. */
export interface KubernetesOptions {
  /** A kubeconfig file, read again after every failure; the service account of this pod when left out. */
  readonly kubeconfig?: string
  /** Context of the kubeconfig; its current one when left out. */
  readonly context?: string
  /** Whether the kubeconfig may name a command that gives the credentials. */
  readonly allowExec?: boolean
  /** Namespaces to read; all of them, which needs rights in the whole cluster, when empty or left out. */
  readonly namespaces?: readonly string[]
  /** Selects the Services that are read, as `kubectl -l` does. */
  readonly labelSelector?: string
  /** Name of the cluster: the label `topology.istio.io/cluster` of its workloads; none when left out. */
  readonly clusterName?: string
  /** Zone of the cluster's DNS: `cluster.local` when left out. */
  readonly clusterDomain?: string
  /** Identity of pods that name none: `none`, which means outside the mesh, or `pods`, their service account. */
  readonly serviceAccounts?: string
  /** Whether agents run on the cluster's nodes, called as the nodes are. */
  readonly nodeAgents?: boolean
  /** Whether Nodes are read for region and zone: a right in the whole cluster. */
  readonly nodes?: boolean
  /** Whether Istio's ServiceEntry, WorkloadEntry and WorkloadGroup of the cluster are read. */
  readonly istio?: boolean
  /** Paces that tests shorten; {@link defaultPace} when left out. */
  readonly pace?: Partial<KubernetesPace>
}

/** Sizes, and times in milliseconds. */
export interface KubernetesPace {
  /** Objects of one page of a list. */
  readonly pageSize: number
  /** Status and headers of an answer must come within this, and the body of a page within `bodyMs` more. */
  readonly answerMs: number
  readonly bodyMs: number
  /** Larger pages, and larger events of a watch, are refused. */
  readonly maxPageBytes: number
  readonly maxEventBytes: number
  /** The API server is asked to end each watch after this, or up to twice as long. */
  readonly watchMs: number
  /** A watch without any event or bookmark for this long is made anew. */
  readonly silenceMs: number
  /** Longest time between two complete lists, whatever the watch says. */
  readonly resyncMs: number
  /** A state older than one seen before is believed after this: the cluster was restored from a backup. */
  readonly olderMs: number
  /** How long changes are gathered before they are shown: those of a pod and of its slice arrive apart. */
  readonly settleMs: number
  /** After an outage, how long what one read tells waits for the others to come back too. */
  readonly togetherMs: number
  /** Credentials are read again when they are older. */
  readonly credentialsMs: number
  readonly backoffBaseMs: number
  readonly backoffCapMs: number
}

export const defaultPace: KubernetesPace = {
  pageSize: 500,
  answerMs: 30_000,
  bodyMs: 60_000,
  maxPageBytes: 128 * 1024 * 1024,
  maxEventBytes: 8 * 1024 * 1024,
  watchMs: 300_000,
  silenceMs: 180_000,
  resyncMs: 3_600_000,
  olderMs: 300_000,
  settleMs: 100,
  togetherMs: 60_000,
  credentialsMs: 60_000,
  backoffBaseMs: 1_000,
  backoffCapMs: 30_000,
}

/** {@link KubernetesOptions}, checked, with every default filled in. */
export interface KubernetesSettings {
  readonly kubeconfig: string | undefined
  readonly context: string | undefined
  readonly allowExec: boolean
  readonly namespaces: readonly string[]
  readonly labelSelector: string | undefined
  readonly clusterName: string | undefined
  readonly clusterDomain: string
  readonly serviceAccounts: 'none' | 'pods'
  readonly nodeAgents: boolean
  readonly nodes: boolean
  readonly istio: boolean
  readonly pace: KubernetesPace
}

/** Checks the options; throws WEFT_CONFIG_INVALID that names the option. */
export function checkOptions(options: KubernetesOptions): KubernetesSettings {
  const { kubeconfig, context, namespaces = [], labelSelector, clusterName, clusterDomain = 'cluster.local' } = options
  if (kubeconfig === undefined && context !== undefined) {
    throw invalid('context', 'a context needs a kubeconfig', context)
  }
  for (const namespace of namespaces) {
    if (!dnsLabel.test(namespace)) throw invalid('namespaces', 'a namespace must be a DNS label', namespace)
  }
  if (new Set(namespaces).size < namespaces.length) throw invalid('namespaces', 'a namespace is named twice')
  if (clusterName !== undefined && !labelValue.test(clusterName)) {
    throw invalid('clusterName', 'the name of a cluster must be a label value', clusterName)
  }
  if (!isDnsName(clusterDomain) || clusterDomain.endsWith('.')) {
    throw invalid('clusterDomain', 'the domain of a cluster must be a DNS name without a dot at its end', clusterDomain)
  }
  const { serviceAccounts = 'none' } = options
  if (serviceAccounts !== 'none' && serviceAccounts !== 'pods') {
    throw invalid('serviceAccounts', 'service accounts must be none or pods', serviceAccounts)
  }
  return {
    kubeconfig,
    context,
    allowExec: options.allowExec ?? false,
    namespaces,
    labelSelector,
    clusterName,
    clusterDomain: clusterDomain.toLowerCase(),
    serviceAccounts,
    nodeAgents: options.nodeAgents ?? false,
    nodes: options.nodes ?? false,
    istio: options.istio ?? false,
    pace: { ...defaultPace, ...options.pace },
  }
}

const labelValue = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/

function invalid(option: string, message: string, got?: unknown): MeshError {
  return new MeshError('WEFT_CONFIG_INVALID', message, { fields: got === undefined ? { option } : { option, got } })
}
