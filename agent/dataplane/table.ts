import { identitySni } from '../../mesh/identity/sni.ts'
import type {
  AgentConfig,
  LocalPort,
  LocalWorkloadResource,
  MeshEndpoint,
  MeshServiceResource,
} from '../../mesh/model/agent-config.ts'
import type { ServicePort } from '../../mesh/model/service.ts'
import { describeError } from '../../mesh/std/errors.ts'
import { createRanges, type Ranges } from '../../mesh/std/ip-ranges.ts'
import { hostPort } from './address.ts'
import type { EndpointLoad } from './balancer.ts'
import type { RejectedResource } from './messages.ts'
import { type PeerLabels, peerLabels } from './telemetry/tcp-metrics.ts'

/**
 * One agent config, indexed for lookups. Built whole and never changed: a connection takes the table once and decides
 * everything with it.
 */
export interface Table {
  readonly trustDomain: string
  readonly defaultIdentity: string | undefined
  /** Service addresses (`ip:port`) callers use, to where they lead. */
  readonly services: ReadonlyMap<string, Destination>
  /** Endpoint addresses (`ip:port`) of mesh services, for callers that resolved the endpoint themselves. */
  readonly endpoints: ReadonlyMap<string, Destination>
  /** This host's declared ports (`ip:port`). */
  readonly local: ReadonlyMap<string, LocalTarget>
  /** Labels of the own workloads by identity: who is calling, for metrics. */
  readonly callers: ReadonlyMap<string, PeerLabels>
  /** Identities of the own workloads that are known by cgroup, by its path. */
  readonly cgroupCallers: ReadonlyMap<string, string>
  readonly virtualIps: Ranges
}

/** Where a captured connection may go. */
export interface Destination {
  readonly service: MeshServiceResource
  /** The service's first name, as metrics and logs show it. */
  readonly host: string
  readonly port: ServicePort
  /** Endpoints that may take new connections; health and weight are already considered. */
  readonly targets: readonly Target[]
}

/** One endpoint's port behind a destination. */
export interface Target {
  readonly endpoint: MeshEndpoint
  readonly port: number
  /** `ip:port`: the authority of its CONNECT. */
  readonly authority: string
  readonly weight: number
  readonly load: EndpointLoad
  readonly labels: PeerLabels
  /** Who must answer over HBONE; absent for an endpoint outside the mesh. */
  readonly mesh: MeshPeer | undefined
}

export interface MeshPeer {
  /** SPIFFE id. */
  readonly destination: string
  /** TLS server name that asks for it. */
  readonly serverName: string
}

export interface LocalTarget {
  readonly workload: LocalWorkloadResource
  readonly port: LocalPort
  readonly labels: PeerLabels
  /** Host name, name and namespace of the service behind the port, as metrics show them. */
  readonly service: { readonly host: string; readonly name: string; readonly namespace: string }
}

/** Ports of the agent itself: a workload that declares one would make the agent call itself. */
const ownPorts = new Set([15001, 15006, 15008, 15020, 15021, 15053])

/**
 * Builds the table. Loads are taken over from `loads` by endpoint, so that a new table does not forget what is open.
 * A resource that cannot be used is returned by name with the reason and left out.
 */
export function buildTable(
  config: AgentConfig,
  loads: Map<string, EndpointLoad>,
): { readonly table: Table; readonly rejected: readonly RejectedResource[] } {
  const rejected: RejectedResource[] = []
  const services = new Map<string, Destination>()
  const endpoints = new Map<string, Destination>()
  const local = new Map<string, LocalTarget>()
  const callers = new Map<string, PeerLabels>()
  const cgroupCallers = new Map<string, string>()

  for (const service of config.services) {
    try {
      addService(service, services, endpoints, loads)
    } catch (error) {
      rejected.push({ name: `service/${service.namespace}/${service.name}`, reason: describeError(error) })
    }
  }
  for (const workload of config.workloads) {
    const taken = workload.ports.find(port => ownPorts.has(port.port))
    if (taken !== undefined) {
      const reason = `port ${taken.port} is the agent's own: declare another port`
      rejected.push({ name: `workload/${workload.id}`, reason })
      continue
    }
    const labels = peerLabels({ ...workload, workload: workload.name })
    for (const port of workload.ports) {
      const service = serviceOf(port.service, config.host.dnsDomain)
      const address = hostPort(workload.address, port.port)
      const other = local.get(address)
      const target = { workload, port, labels, service }
      local.set(address, other === undefined ? target : settle(other, target))
    }
    if (workload.identity === undefined) continue
    callers.set(workload.identity, labels)
    for (const caller of workload.callers)
      if (caller.kind === 'cgroup') cgroupCallers.set(caller.path, workload.identity)
  }
  const table = {
    trustDomain: config.host.trustDomain,
    defaultIdentity: config.host.defaultIdentity,
    services,
    endpoints,
    local,
    callers,
    cgroupCallers,
    virtualIps: createRanges(config.host.virtualIpRanges),
  }
  return { table, rejected }
}

function addService(
  service: MeshServiceResource,
  services: Map<string, Destination>,
  endpoints: Map<string, Destination>,
  loads: Map<string, EndpointLoad>,
): void {
  const host = service.hosts[0] ?? service.name
  const peers = new Map(service.endpoints.map(endpoint => [endpoint, meshPeer(endpoint)]))
  for (const port of service.ports) {
    const targets: Target[] = []
    for (const endpoint of service.endpoints) {
      // Own ones only: a port may be called like something that every object has.
      const targetPort = Object.hasOwn(endpoint.ports, port.name) ? endpoint.ports[port.name] : undefined
      if (targetPort === undefined) continue
      const authority = hostPort(endpoint.address, targetPort)
      const load = loadOf(authority, loads)
      const labels = peerLabels(endpoint)
      const target = {
        endpoint,
        port: targetPort,
        authority,
        weight: endpoint.weight,
        load,
        labels,
        mesh: peers.get(endpoint),
      }
      if (endpoint.health === 'healthy' && endpoint.weight > 0) targets.push(target)
      // A caller that names one endpoint gets that one, healthy or not: it has made its choice.
      // Of several claims on one address, one with an identity: no other may make its connections plaintext.
      const known = endpoints.get(authority)?.targets[0]
      if (known === undefined || (known.mesh === undefined && target.mesh !== undefined)) {
        endpoints.set(authority, { service, host, port, targets: [target] })
      }
    }
    const destination = { service, host, port, targets }
    for (const address of service.virtualIps) services.set(hostPort(address, port.port), destination)
    for (const address of service.addresses) services.set(hostPort(address, port.port), destination)
  }
}

/**
 * Settles who owns a port that two workloads of this host declare: one with an identity, which this host was trusted
 * with, before one without, else the first. The stricter of the two policies holds either way, so that nobody can make
 * another's port take plaintext.
 */
function settle(first: LocalTarget, second: LocalTarget): LocalTarget {
  const isFirst = first.workload.identity !== undefined || second.workload.identity === undefined
  const [winner, loser] = isFirst ? [first, second] : [second, first]
  const isSofter = winner.port.mtls !== 'STRICT' && loser.port.mtls === 'STRICT'
  const { mtls, mtlsFrom } = isSofter ? loser.port : winner.port
  return { ...winner, port: { ...winner.port, mtls, mtlsFrom } }
}

/** Throws WEFT_SPIFFE_ID for an identity that cannot be asked for by name: before anything of the service is used. */
function meshPeer(endpoint: MeshEndpoint): MeshPeer | undefined {
  if (endpoint.identity === undefined) return undefined
  return { destination: endpoint.identity, serverName: identitySni(endpoint.identity) }
}

function serviceOf(key: string, dnsDomain: string): LocalTarget['service'] {
  const [namespace = '', name = ''] = key.split('/')
  return { host: `${name}.${namespace}.${dnsDomain}`, name, namespace }
}

function loadOf(authority: string, loads: Map<string, EndpointLoad>): EndpointLoad {
  const known = loads.get(authority)
  if (known !== undefined) return known
  const load = { active: 0, avoidUntil: 0 }
  loads.set(authority, load)
  return load
}

/** Forgets the loads that no table points to and no connection holds. */
export function pruneLoads(table: Table, loads: Map<string, EndpointLoad>): void {
  for (const [authority, load] of loads) {
    if (load.active === 0 && !table.endpoints.has(authority)) loads.delete(authority)
  }
}
