import { isIPv6 } from 'node:net'
import type { MtlsMode } from '../../mesh/model/agent-config.ts'
import type { CatalogueService, CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import type { Endpoint, ServicePort } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { AgentStatus } from '../status.ts'

/** One thing that was looked at on the way. */
export interface ExplainStep {
  readonly ok: boolean
  readonly what: string
  readonly detail: string
}

/** Whether a connection would be let through, and by what. Reason codes are the data plane's own. */
export interface Explanation {
  readonly verdict: 'allowed' | 'refused'
  readonly reason: string
  readonly steps: readonly ExplainStep[]
  readonly endpoints: readonly ExplainedEndpoint[]
}

export interface ExplainedEndpoint {
  readonly workload: string
  readonly address: string
  readonly identity: string
  readonly transport: 'mtls' | 'plaintext'
  /** Whether new connections may go there, and if not, why. */
  readonly usable: boolean
  readonly why: string
}

export interface ExplainInput {
  readonly catalogue: CatalogueSnapshot
  readonly agents: readonly AgentStatus[]
  readonly mtlsOf: (workload: Workload, port: number) => { readonly mode: MtlsMode; readonly from: string }
  readonly identityOf: (workload: Workload) => string | undefined
}

/** Who calls. A host without an agent cannot prove anything: what it sends is plaintext, as a stranger's. */
interface Caller {
  readonly meshed: boolean
  readonly identity: string | undefined
}

/**
 * Explains a connection between two named parties. `from` is a workload's name or its service account, with an optional
 * namespace (`web`, `default/web`), or `outside` for a caller that is not in the mesh; `to` is
 * `service[.namespace][:port]`. Throws WEFT_NOT_FOUND for names nobody has.
 */
export function explain(input: ExplainInput, from: string, to: string): Explanation {
  const { service, port } = findService(input.catalogue, to)
  const steps: ExplainStep[] = []
  const caller = from === 'outside' ? { meshed: false, identity: undefined } : findCaller(input, from, steps)
  steps.push({
    ok: true,
    what: 'service',
    detail: `${service.namespace}/${service.name} from ${service.registries.join(', ')}, at ${service.virtualIps.join(' and ')}`,
  })
  steps.push({ ok: true, what: 'port', detail: `${port.port} (${port.name}, ${port.protocol})` })

  const judged = service.endpoints.flatMap(endpoint => judgeEndpoint(input, service, port, endpoint, caller))
  const endpoints = judged.map(({ endpoint }) => endpoint)
  if (service.location === 'external' && judged.length === 0 && service.addresses.length > 0) {
    steps.push({
      ok: true,
      what: 'endpoints',
      detail: `none: what goes to ${service.addresses.join(', ')} is passed on`,
    })
    return { verdict: 'allowed', reason: 'OK', steps, endpoints }
  }
  const usable = judged.filter(({ obstacle }) => obstacle === undefined).length
  steps.push({
    ok: usable > 0,
    what: 'endpoints',
    detail: `${usable} of ${judged.length} ${usable === 1 ? 'takes' : 'take'} new connections of this caller`,
  })
  const reason = usable > 0 ? 'OK' : refusal(judged.flatMap(({ obstacle }) => obstacle ?? []))
  return { verdict: usable > 0 ? 'allowed' : 'refused', reason, steps, endpoints }
}

/** What keeps an endpoint from being used: the data plane's reason code, and a sentence. */
interface Obstacle {
  readonly reason: Reason
  readonly why: string
}

type Reason = 'NO_HEALTHY_ENDPOINT' | 'MTLS_REQUIRED' | 'UNKNOWN_CALLER' | 'UPSTREAM_CONNECT'

/** The reason that is nearest to a success: what would have to change first. */
function refusal(obstacles: readonly Obstacle[]): Reason {
  const order = ['UNKNOWN_CALLER', 'MTLS_REQUIRED', 'UPSTREAM_CONNECT'] as const
  return order.find(reason => obstacles.some(one => one.reason === reason)) ?? 'NO_HEALTHY_ENDPOINT'
}

function findCaller(input: ExplainInput, from: string, steps: ExplainStep[]): Caller {
  const [first = '', second] = from.split('/')
  const name = second ?? first
  const namespace = second === undefined ? undefined : first
  const found = [...input.catalogue.workloads.values()].filter(
    workload =>
      (workload.name === name || workload.serviceAccount === name) &&
      (namespace === undefined || workload.namespace === namespace),
  )
  const agentOf = (workload: Workload) => input.agents.find(one => one.node === workload.node && !one.banned)
  // of several instances one that can call
  const source = found.find(workload => agentOf(workload) !== undefined) ?? found[0]
  if (source === undefined) {
    throw new MeshError('WEFT_NOT_FOUND', `no workload and no service account is called ${from}`, {
      next: 'weft services lists the services; --from outside stands for a caller that is not in the mesh',
    })
  }
  const agent = agentOf(source)
  const identity = input.identityOf(source)
  steps.push({
    ok: identity !== undefined && agent !== undefined,
    what: 'caller',
    detail: callerText(source, agent, identity),
  })
  return { meshed: agent !== undefined, identity }
}

function callerText(source: Workload, agent: AgentStatus | undefined, identity: string | undefined): string {
  const name = `${source.namespace}/${source.name}`
  if (source.node === undefined) return `${name} sits on no host with an agent, it calls in plaintext`
  if (agent === undefined) return `${name} sits on ${source.node}, where no agent has joined: it calls in plaintext`
  const as = identity === undefined ? 'without an identity' : `as ${identity}`
  return `${name} sits on ${source.node} (agent ${agent.state === 'never' ? 'not seen yet' : agent.state}), ${as}`
}

function findService(
  catalogue: CatalogueSnapshot,
  to: string,
): { readonly service: CatalogueService; readonly port: ServicePort } {
  const [hostText = '', portText] = to.split(':')
  const host = hostText.replace(/\.mesh$/, '')
  const service = [...catalogue.services.values()].find(
    one =>
      host === `${one.name}.${one.namespace}` ||
      one.hosts.includes(host) ||
      (host === one.name && one.namespace === 'default'),
  )
  if (service === undefined) throw new MeshError('WEFT_NOT_FOUND', `no service is called ${host}`)
  const port =
    portText === undefined
      ? service.ports[0]
      : service.ports.find(one => one.port === Number(portText) || one.name === portText)
  if (port === undefined) {
    const known = service.ports.map(one => `${one.port} (${one.name})`).join(', ')
    throw new MeshError('WEFT_NOT_FOUND', `${host} has no port ${portText ?? ''}`, { next: `it has ${known}` })
  }
  return { service, port }
}

function judgeEndpoint(
  input: ExplainInput,
  service: CatalogueService,
  port: ServicePort,
  endpoint: Endpoint,
  caller: Caller,
): { readonly endpoint: ExplainedEndpoint; readonly obstacle: Obstacle | undefined }[] {
  const workload = input.catalogue.workloads.get(endpoint.workload)
  const targetPort = endpoint.ports[port.name]
  if (workload === undefined || targetPort === undefined) return []
  const identity = service.location === 'external' ? undefined : input.identityOf(workload)
  const transport = identity !== undefined && caller.meshed ? 'mtls' : 'plaintext'
  const obstacle =
    unavailable(endpoint, workload) ??
    (transport === 'mtls'
      ? meshedObstacle(input, workload, caller)
      : plaintextObstacle(input, service, workload, targetPort))
  const described = {
    workload: workload.id,
    address: `${isIPv6(workload.address) ? `[${workload.address}]` : workload.address}:${targetPort}`,
    identity: identity ?? '',
    transport,
    usable: obstacle === undefined,
    why: obstacle?.why ?? 'takes new connections',
  } as const
  return [{ endpoint: described, obstacle }]
}

/** What is known of the endpoint itself, whoever calls. */
function unavailable({ weight: share }: Endpoint, workload: Workload): Obstacle | undefined {
  const { health, healthReason, weight } = workload
  if (health !== 'healthy') {
    const told = healthReason === undefined ? '' : `: ${healthReason}`
    return { reason: 'NO_HEALTHY_ENDPOINT', why: `it is ${health}${told}` }
  }
  if ((share ?? weight) > 0) return undefined
  const whose = share === undefined ? 'its weight' : 'its share of the traffic'
  return { reason: 'NO_HEALTHY_ENDPOINT', why: `${whose} is 0` }
}

function meshedObstacle(input: ExplainInput, workload: Workload, caller: Caller): Obstacle | undefined {
  if (!input.agents.some(one => one.node === workload.node && !one.banned)) {
    return { reason: 'UPSTREAM_CONNECT', why: `no agent has joined as ${workload.node ?? 'its host'}` }
  }
  if (caller.identity === undefined) return { reason: 'UNKNOWN_CALLER', why: 'it takes only callers with an identity' }
  return undefined
}

/** Plaintext meets the policy only where an agent stands before the workload. */
function plaintextObstacle(
  input: ExplainInput,
  service: CatalogueService,
  workload: Workload,
  port: number,
): Obstacle | undefined {
  if (service.location === 'external' || !input.agents.some(one => one.node === workload.node)) return undefined
  const { mode, from } = input.mtlsOf(workload, port)
  if (mode !== 'STRICT') return undefined
  return { reason: 'MTLS_REQUIRED', why: `MTLS_REQUIRED by PeerAuthentication ${from}` }
}
