import { identitySni } from '../../mesh/identity/sni.ts'
import type {
  AgentConfig,
  LocalPort,
  LocalWorkloadResource,
  MeshEndpoint,
  MeshServiceResource,
} from '../../mesh/model/agent-config.ts'
import type { ServicePort } from '../../mesh/model/service.ts'
import type { TokenTarget } from '../../mesh/policy/request-authentication.ts'
import type { ServerTls } from '../../mesh/routing/ingress.ts'
import type { PathNormalization } from '../../mesh/routing/path.ts'
import { retryPolicy } from '../../mesh/routing/retry-policy.ts'
import { routableService } from '../../mesh/routing/routable-service.ts'
import type { RetryPolicy, RouteDestination } from '../../mesh/routing/route.ts'
import { createRouting, type Routing } from '../../mesh/routing/routing.ts'
import type { RoutableService } from '../../mesh/routing/world.ts'
import { describeError } from '../../mesh/std/errors.ts'
import { createRanges, type Ranges } from '../../mesh/std/ip-ranges.ts'
import { hostPort } from './address.ts'
import { type CallerClaims, callerClaims } from './caller-claims.ts'
import { deliveryOf, type LocalAddress, ownPorts } from './delivery.ts'
import type { RejectedResource } from './messages.ts'
import { PolicyIndex, TargetPolicy } from './policy/target-policy.ts'
import { type Caller, callerOfIdentity, callerOfWorkload } from './table-callers.ts'
import { isRange, WideLookups } from './table-ranges.ts'
import { type PeerLabels, peerLabels } from './telemetry/peer-labels.ts'

export type { Caller } from './table-callers.ts'

/**
 * One agent config, indexed for lookups. Built whole and never changed: a connection takes the table once and decides
 * everything with it.
 */
export interface Table {
  /** Name of this host. */
  readonly node: string
  readonly trustDomain: string
  /** Other names of it: callers may still have certificates with them. */
  readonly trustDomainAliases: readonly string[]
  readonly defaultIdentity: string | undefined
  /** Service addresses (`ip:port`) callers use, to where they lead. */
  readonly services: ReadonlyMap<string, Destination>
  /** Endpoint addresses (`ip:port`) of mesh services, for callers that resolved the endpoint themselves. */
  readonly endpoints: ReadonlyMap<string, Destination>
  /** This host's declared ports (`ip:port`). */
  readonly local: ReadonlyMap<string, LocalTarget>
  /** The service that an address and port are of, by the address itself or a range; undefined when there is none. */
  at(address: string, port: number): Destination | undefined
  /** The service outside the mesh, or in it, whose TLS port a server name is of; undefined when there is none. */
  byServerName(name: string, port: number): Destination | undefined
  /** Which service a name and port are of; undefined when there is none. */
  destination(host: string, port: number): Destination | undefined
  /** The own workload, or the host, that calls under an identity. */
  caller(identity: string | undefined): Caller
  /** Which of the operators' rules holds for a call. */
  readonly routing: Routing
  readonly pathNormalization: PathNormalization
  /** How requests to the own workloads are tried again; undefined for not. */
  readonly inboundRetries: RetryPolicy | undefined
  /** Identities of the own workloads that are known by cgroup, by its path. */
  readonly cgroupCallers: ReadonlyMap<string, string>
  /** Who may call under which identity. */
  readonly claims: CallerClaims
  readonly virtualIps: Ranges
}

/** Where a captured connection may go. */
export interface Destination {
  readonly service: MeshServiceResource
  readonly routable: RoutableService
  /** The service's first name, as metrics and logs show it. */
  readonly host: string
  readonly port: ServicePort
  /** All of them: who may be called is for the cluster to say. */
  readonly endpoints: readonly Target[]
  /** The endpoint that the caller chose itself, by its address. */
  readonly pinned: Target | undefined
  /** Where calls go that no rule says anything else of. */
  readonly route: RouteDestination
}

/** One endpoint's port behind a destination. */
export interface Target {
  readonly endpoint: MeshEndpoint
  readonly port: number
  /** `ip:port`: the authority of its CONNECT. */
  readonly authority: string
  readonly weight: number
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
  /** `ip:port`. */
  readonly authority: string
  /** Where its process takes what is for the port. */
  readonly to: LocalAddress
  /** TLS of callers outside the mesh that ends here; the process gets what is inside. */
  readonly tls: ServerTls | undefined
  /** Istio's name of the cluster: `inbound|8080||`. */
  readonly cluster: string
  /** Host name, name and namespace of the service behind the port, as metrics show them. */
  readonly service: { readonly host: string; readonly name: string; readonly namespace: string }
  /** Who may call it. */
  readonly policy: TargetPolicy
}

/**
 * Builds the table. A resource that cannot be used is returned by name with the reason and left out. What routing has
 * prepared for the table before is kept where nothing it decides by has changed. Unix sockets are served below
 * `socketDirectories` only.
 */
export function buildTable(
  config: AgentConfig,
  before?: Table,
  socketDirectories: readonly string[] = [],
): {
  readonly table: Table
  readonly rejected: readonly RejectedResource[]
} {
  const rejected: RejectedResource[] = []
  const services = new Map<string, Destination>()
  const endpoints = new Map<string, Destination>()
  const local = new Map<string, LocalTarget>()
  const byHost = new Map<string, Destination>()
  const wide = new WideLookups()
  const routables: RoutableService[] = []
  const callers = new Map<string, Caller>()
  const cgroupCallers = new Map<string, string>()

  for (const service of config.services) {
    try {
      const routable = routableService(service)
      addService(service, routable, { services, endpoints, byHost, wide })
      routables.push(routable)
    } catch (error) {
      rejected.push({ name: `service/${service.namespace}/${service.name}`, reason: describeError(error) })
    }
  }
  const routing = createRouting(
    { services: routables, traffic: config.traffic, domain: config.host.dnsDomain },
    before?.routing,
  )
  const policies = new PolicyIndex(config.policies)
  for (const workload of config.workloads) {
    const taken = workload.ports.find(port => ownPorts.has(port.port))
    if (taken !== undefined) {
      const reason = `port ${taken.port} is the agent's own: declare another port`
      rejected.push({ name: `workload/${workload.id}`, reason })
      continue
    }
    const labels = peerLabels({ ...workload, workload: workload.name })
    const ingress = routing.ingress({ namespace: workload.namespace, labels: workload.labels })
    for (const declared of workload.ports) {
      const delivery = deliveryOf(workload, declared, ingress.get(declared.port), socketDirectories)
      if (delivery.kind === 'undeliverable') {
        rejected.push({ name: `workload/${workload.id}`, reason: delivery.reason })
        continue
      }
      const { protocol, to, tls } = delivery
      const port = { ...declared, protocol }
      const service = serviceOf(port.service, config.host.dnsDomain)
      const address = hostPort(workload.address, port.port)
      const other = local.get(address)
      const cluster = `inbound|${port.port}||`
      const policy = new TargetPolicy(policies, policyTarget(workload, port), before?.local.get(address)?.policy)
      const target = { workload, port, labels, authority: address, to, tls, cluster, service, policy }
      local.set(address, other === undefined ? target : settle(other, target))
    }
    if (workload.identity === undefined) continue
    callers.set(workload.identity, callerOfWorkload(workload, workload.identity, labels, config.host.locality))
    for (const caller of workload.callers)
      if (caller.kind === 'cgroup') cgroupCallers.set(caller.path, workload.identity)
  }
  const virtualIps = createRanges(config.host.virtualIpRanges)
  const table = {
    node: config.host.node,
    trustDomain: config.host.trustDomain,
    trustDomainAliases: config.policies.trustDomainAliases,
    defaultIdentity: config.host.defaultIdentity,
    services,
    endpoints,
    local,
    at(address: string, port: number) {
      const authority = hostPort(address, port)
      const exact = services.get(authority) ?? endpoints.get(authority)
      // No service can claim the mesh's own addresses by a range.
      return exact ?? (virtualIps.has(address) ? undefined : wide.inRange(address, port))
    },
    byServerName: (name: string, port: number) => wide.byServerName(name, port),
    destination: (host: string, port: number) => byHost.get(`${host}:${port}`),
    caller(identity: string | undefined) {
      const known = callers.get(identity ?? '')
      if (known !== undefined) return known
      const made = callerOfIdentity(identity, config.host.locality)
      callers.set(made.key, made)
      return made
    },
    routing,
    pathNormalization: config.traffic.mesh.pathNormalization?.normalization ?? 'DEFAULT',
    inboundRetries: retryPolicy(undefined, { direction: 'inbound', defaults: undefined, consistentHash: false }),
    cgroupCallers,
    claims: callerClaims(config.workloads),
    virtualIps,
  }
  return { table, rejected }
}

interface Found {
  readonly services: Map<string, Destination>
  readonly endpoints: Map<string, Destination>
  readonly byHost: Map<string, Destination>
  readonly wide: WideLookups
}

function addService(service: MeshServiceResource, routable: RoutableService, found: Found): void {
  const host = service.hosts[0] ?? service.name
  const peers = new Map(service.endpoints.map(endpoint => [endpoint, meshPeer(endpoint)]))
  for (const port of service.ports) {
    const targets: Target[] = []
    const route = { host, port: port.port, subset: '', cluster: `outbound|${port.port}||${host}`, weight: 1 }
    for (const endpoint of service.endpoints) {
      // Own ones only: a port may be called like something that every object has.
      const targetPort = Object.hasOwn(endpoint.ports, port.name) ? endpoint.ports[port.name] : undefined
      if (targetPort === undefined) continue
      const authority = hostPort(endpoint.address, targetPort)
      const { weight } = endpoint
      const mesh = peers.get(endpoint)
      const target = { endpoint, port: targetPort, authority, weight, labels: peerLabels(endpoint), mesh }
      targets.push(target)
      // A caller that names one endpoint gets that one, healthy or not: it has made its choice.
      // Of several claims on one address, one with an identity: no other may make its connections plaintext.
      const known = found.endpoints.get(authority)?.pinned
      if (known === undefined || (known.mesh === undefined && mesh !== undefined)) {
        found.endpoints.set(authority, { service, routable, host, port, endpoints: [target], pinned: target, route })
      }
    }
    const destination = { service, routable, host, port, endpoints: targets, pinned: undefined, route }
    for (const name of service.hosts) found.byHost.set(`${name}:${port.port}`, destination)
    for (const address of service.virtualIps) found.services.set(hostPort(address, port.port), destination)
    for (const address of service.addresses) {
      if (!isRange(address)) found.services.set(hostPort(address, port.port), destination)
    }
    found.wide.add(destination)
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

function policyTarget({ namespace, labels }: LocalWorkloadResource, port: LocalPort): TokenTarget {
  return { namespace, labels, services: [port.service, ...(port.otherServices ?? [])] }
}

function serviceOf(key: string, dnsDomain: string): LocalTarget['service'] {
  const [namespace = '', name = ''] = key.split('/')
  return { host: `${name}.${namespace}.${dnsDomain}`, name, namespace }
}
