import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import type { Endpoint, Protocol, Service, ServicePort } from '../../mesh/model/service.ts'
import type { Health } from '../../mesh/model/workload.ts'
import { declaredProtocol, protocolFromName } from '../../mesh/resources/port-protocol.ts'
import { canonicalAddress } from '../../mesh/std/ip-address.ts'
import { dnsLabel } from '../instance-names.ts'
import { isPort, protocolOf } from '../instance-settings.ts'
import { quoted } from '../quoted.ts'
import { settingsOf } from './annotations.ts'
import type { KubeEndpoint, KubePod, KubeService, KubeSlice, ObjectKey } from './objects.ts'
import { compareVersions } from './resource-version.ts'

/** What the translation needs to know besides the objects. */
export interface TranslateContext {
  /** Name of the registry: prefix of workload ids. */
  readonly registry: string
  readonly clusterName: string | undefined
  readonly clusterDomain: string
  readonly serviceAccounts: 'none' | 'pods'
  readonly nodeAgents: boolean
}

/** What one Service's slices say about one workload. */
export interface Target {
  /** Name of the Service. */
  readonly service: string
  readonly address: string
  readonly pod: ObjectKey | undefined
  /** Name of its node; empty where unknown. */
  readonly node: string
  readonly zone: string
  readonly health: Health
  readonly healthReason: string | undefined
  /** Resource version of the slice. */
  readonly version: string
}

/** What one Service becomes; no service where it cannot be used. */
export interface ServiceFragment {
  readonly service: Service | undefined
  /** By workload id. */
  readonly targets: ReadonlyMap<string, Target>
  /** Pods that its slices name, whether or not they are known. */
  readonly pods: ReadonlySet<ObjectKey>
  readonly problems: readonly RegistryProblem[]
}

/** A Service as it is when there is none. */
export const emptyFragment: ServiceFragment = { service: undefined, targets: new Map(), pods: new Set(), problems: [] }

/**
 * Translates one Service with all its slices. Pure. An endpoint whose pod is not known is left out: nothing would be
 * known of its labels and its identity.
 */
export function translateService(
  service: KubeService,
  slices: readonly KubeSlice[],
  podOf: (key: ObjectKey) => Pick<KubePod, 'addresses'> | undefined,
  context: TranslateContext,
): ServiceFragment {
  const { namespace, name } = service
  // the API server itself: every cluster has it under the same name
  if (namespace === 'default' && name === 'kubernetes') return emptyFragment
  const problems: RegistryProblem[] = []
  const complain = (reason: string) => void problems.push({ item: `Service ${namespace}/${name}`, reason })
  const refusal = refusalOf(service)
  const ports = refusal === undefined ? portsOf(service, complain) : []
  if (refusal !== undefined) complain(refusal)
  else if (ports.length === 0) complain('it has no TCP port')
  if (ports.length === 0) return { ...emptyFragment, problems }
  const pods = new Set<ObjectKey>()
  const said: Said[] = []
  const targets = new Map<string, Target>()
  const endpoints = new Map<string, Endpoint>()
  for (const slice of [...slices].sort(newestFirst)) {
    if (slice.addressType === 'FQDN') {
      problems.push({ item: itemOf(slice), reason: 'its endpoints are names, which the mesh does not resolve' })
      continue
    }
    const sharedPorts = endpointPorts(service, slice)
    for (const endpoint of slice.endpoints) {
      const pod = endpoint.pod === undefined ? undefined : `${namespace}/${endpoint.pod}`
      if (pod !== undefined) pods.add(pod)
      said.push({ slice, endpoint, pod, sharedPorts })
    }
  }
  // what a slice says wrongly of a pod must not hide what another says rightly
  const { true: right = [], false: wrong = [] } = Object.groupBy(said, one => `${isAtPod(one, podOf)}`)
  for (const { slice, endpoint, pod, sharedPorts } of [...right, ...wrong]) {
    const id = workloadId(context.registry, namespace, endpoint)
    // a pod that moves from one slice to another is in both for a moment
    if (endpoints.has(id)) continue
    if (pod !== undefined && podOf(pod) === undefined) {
      problems.push({ item: itemOf(slice), reason: `its pod ${quoted(endpoint.pod ?? '')} does not exist` })
    } else if (endpoint.address === undefined) {
      const reason = `the address ${quoted(endpoint.writtenAddress)} is not an IP address`
      problems.push({ item: itemOf(slice), reason })
    } else if (Object.keys(sharedPorts).length > 0) {
      endpoints.set(id, { workload: id, ports: sharedPorts })
      const { address, node, zone } = endpoint
      const { version } = slice
      targets.set(id, { service: name, address, pod, node, zone, version, ...healthOf(endpoint, slice) })
    }
  }
  const translated: Service = {
    namespace,
    name,
    hosts: [`${name}.${namespace}.svc.${context.clusterDomain}`],
    addresses: service.clusterIps.flatMap(ip => canonicalAddress(ip) ?? []),
    location: 'mesh',
    ports,
    endpoints: [...endpoints.values()].sort((a, b) => (a.workload < b.workload ? -1 : 1)),
    ...exportToOf(service),
  }
  return { service: translated, targets, pods, problems: distinct(problems) }
}

/** What one slice says of one endpoint. */
interface Said {
  readonly slice: KubeSlice
  readonly endpoint: KubeEndpoint
  readonly pod: ObjectKey | undefined
  readonly sharedPorts: Endpoint['ports']
}

/** False where the pod's own addresses are known and this is none of them. */
function isAtPod({ endpoint, pod }: Said, podOf: (pod: ObjectKey) => Pick<KubePod, 'addresses'> | undefined): boolean {
  const addresses = pod === undefined ? undefined : podOf(pod)?.addresses
  return addresses === undefined || endpoint.address === undefined || addresses.includes(endpoint.address)
}

/** The workloads a pod can be: one for each family of addresses. */
export function workloadIdsOf(registry: string, pod: ObjectKey): readonly string[] {
  return [`${registry}/${pod}`, `${registry}/${pod}/ipv6`]
}

function workloadId(registry: string, namespace: string, { pod, address, writtenAddress }: KubeEndpoint): string {
  if (pod === undefined) return `${registry}/${namespace}/${address ?? writtenAddress}`
  const [ipv4 = '', ipv6 = ''] = workloadIdsOf(registry, `${namespace}/${pod}`)
  return address?.includes(':') ? ipv6 : ipv4
}

function refusalOf({ name, namespace, type, externalName }: KubeService): string | undefined {
  if (!dnsLabel.test(name)) return `its name ${quoted(name)} is not a DNS label`
  if (!dnsLabel.test(namespace)) return `its namespace ${quoted(namespace)} is not a DNS label`
  if (type !== 'ExternalName') return undefined
  return `it stands for the name ${quoted(externalName)}, which the mesh does not resolve: callers can use that name`
}

/** Only TCP is carried. What the Service's annotation says goes before appProtocol, and that before the port's name. */
function portsOf(service: KubeService, complain: (reason: string) => void): readonly ServicePort[] {
  const { settings, reasons } = settingsOf(service.annotations, 'Service')
  const { protocol: said, reasons: wrong } = protocolOf(settings)
  for (const reason of [...reasons, ...wrong]) complain(reason)
  return service.ports.flatMap(({ name, port, transport, appProtocol }): ServicePort[] => {
    if (transport !== 'TCP') return []
    if (!isPort(port)) {
      complain(`the port ${port} is not between 1 and 65535`)
      return []
    }
    const declared = appProtocol === '' ? protocolFromName(name, port) : protocolOfAppProtocol(appProtocol, port)
    return [{ name: name || String(port), port, protocol: said ?? declared }]
  })
}

/** Names that Kubernetes defines for `appProtocol`, besides those of IANA and Istio. */
function protocolOfAppProtocol(text: string, port: number): Protocol {
  switch (text.toLowerCase()) {
    case 'kubernetes.io/h2c':
      return 'http2'
    case 'kubernetes.io/ws':
      return 'http'
    case 'kubernetes.io/wss':
      return 'tls'
    default:
      return declaredProtocol(text, port)
  }
}

/** The ports of the Service that a slice has, by the Service's names for them. */
function endpointPorts(service: KubeService, slice: KubeSlice): Endpoint['ports'] {
  const ports: Record<string, number> = {}
  for (const { name, port, transport } of service.ports) {
    const real = slice.ports.find(one => one.name === name && one.transport === transport)?.port
    if (transport === 'TCP' && real !== undefined && isPort(real)) ports[name || String(port)] = real
  }
  return ports
}

/** Pods that terminate and still serve finish what they have; what is new goes elsewhere (KEP-1672). */
function healthOf(
  { ready, serving, terminating }: KubeEndpoint,
  slice: KubeSlice,
): { readonly health: Health; readonly healthReason: string | undefined } {
  const from = `says EndpointSlice ${slice.name}`.slice(0, 120)
  if (terminating && serving) return { health: 'draining', healthReason: `it is terminating, ${from}` }
  if (terminating) return { health: 'unhealthy', healthReason: `it is terminating and no longer serves, ${from}` }
  return ready
    ? { health: 'healthy', healthReason: undefined }
    : { health: 'unhealthy', healthReason: `it is not ready, ${from}` }
}

/** Istio's annotation: namespaces with commas, `.` for its own, `*` for all, `~` for none. */
function exportToOf({ exportTo, namespace }: KubeService): { readonly exportTo?: readonly string[] } {
  if (exportTo === undefined || exportTo.trim() === '') return {}
  const names = exportTo.split(',').map(text => text.trim())
  return { exportTo: names.filter(text => text !== '' && text !== '~').map(text => (text === '.' ? namespace : text)) }
}

function newestFirst(a: KubeSlice, b: KubeSlice): number {
  return compareVersions(b.version, a.version) || (a.name < b.name ? -1 : 1)
}

function itemOf(slice: KubeSlice): string {
  return `EndpointSlice ${slice.namespace}/${slice.name}`
}

function distinct(problems: readonly RegistryProblem[]): readonly RegistryProblem[] {
  return [...new Map(problems.map(problem => [`${problem.item}: ${problem.reason}`, problem])).values()]
}
