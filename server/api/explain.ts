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

/**
 * Explains a connection between two named parties. `from` is a workload's name or its service account, with an optional
 * namespace (`web`, `default/web`), or `outside` for a caller that is not in the mesh; `to` is
 * `service[.namespace][:port]`. Throws WEFT_NOT_FOUND for names nobody has.
 */
export function explain(input: ExplainInput, from: string, to: string): Explanation {
  const { service, port } = findService(input.catalogue, to)
  const steps: ExplainStep[] = []
  const source = from === 'outside' ? undefined : findSource(input, from, steps)
  steps.push({
    ok: true,
    what: 'service',
    detail: `${service.namespace}/${service.name} from ${service.registries.join(', ')}, at ${service.virtualIps.join(' and ')}`,
  })
  steps.push({ ok: true, what: 'port', detail: `${port.port} (${port.name}, ${port.protocol})` })

  const endpoints = service.endpoints.flatMap(endpoint => explainEndpoint(input, service, port, endpoint, from))
  const usable = endpoints.filter(endpoint => endpoint.usable)
  steps.push({
    ok: usable.length > 0,
    what: 'endpoints',
    detail: `${usable.length} of ${endpoints.length} take new connections`,
  })
  const reason = refusal(from, source, endpoints)
  return { verdict: reason === undefined ? 'allowed' : 'refused', reason: reason ?? 'OK', steps, endpoints }
}

function refusal(
  from: string,
  source: Workload | undefined,
  endpoints: readonly ExplainedEndpoint[],
): string | undefined {
  if (endpoints.some(endpoint => endpoint.usable)) {
    if (from === 'outside' || source?.serviceAccount !== undefined) return undefined
    return endpoints.some(endpoint => endpoint.usable && endpoint.transport === 'plaintext')
      ? undefined
      : 'UNKNOWN_CALLER'
  }
  const first = endpoints.find(endpoint => endpoint.why.startsWith('MTLS_REQUIRED'))
  return first === undefined ? 'NO_HEALTHY_ENDPOINT' : 'MTLS_REQUIRED'
}

function findSource(input: ExplainInput, from: string, steps: ExplainStep[]): Workload {
  const [first = '', second] = from.split('/')
  const name = second ?? first
  const namespace = second === undefined ? undefined : first
  const found = [...input.catalogue.workloads.values()].filter(
    workload =>
      (workload.name === name || workload.serviceAccount === name) &&
      (namespace === undefined || workload.namespace === namespace),
  )
  const source = found[0]
  if (source === undefined) {
    throw new MeshError('WEFT_NOT_FOUND', `no workload and no service account is called ${from}`, {
      next: 'weft services lists the services; --from outside stands for a caller that is not in the mesh',
    })
  }
  const agent = input.agents.find(one => one.node === source.node)
  const identity = input.identityOf(source)
  const sits = source.node === undefined ? 'sits on no host with an agent' : `sits on ${source.node}`
  steps.push({
    ok: identity !== undefined && agent !== undefined,
    what: 'caller',
    detail:
      `${source.namespace}/${source.name} ${sits}` +
      (agent === undefined ? '' : ` (agent ${agent.state})`) +
      (identity === undefined ? ', without an identity' : `, as ${identity}`),
  })
  return source
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

function explainEndpoint(
  input: ExplainInput,
  service: CatalogueService,
  port: ServicePort,
  endpoint: Endpoint,
  from: string,
): ExplainedEndpoint[] {
  const workload = input.catalogue.workloads.get(endpoint.workload)
  const targetPort = endpoint.ports[port.name]
  if (workload === undefined || targetPort === undefined) return []
  const identity = service.location === 'external' ? undefined : input.identityOf(workload)
  const transport = identity === undefined || from === 'outside' ? 'plaintext' : 'mtls'
  const why = obstacle(input, workload, targetPort, from, identity)
  return [
    {
      workload: workload.id,
      address: `${workload.address}:${targetPort}`,
      identity: identity ?? '',
      transport,
      usable: why === undefined,
      why: why ?? 'takes new connections',
    },
  ]
}

/** Why an endpoint takes no new connection of this caller; undefined when it does. */
function obstacle(
  input: ExplainInput,
  workload: Workload,
  port: number,
  from: string,
  identity: string | undefined,
): string | undefined {
  if (workload.health !== 'healthy') return workload.health
  if (workload.weight === 0) return 'its weight is 0'
  if (from !== 'outside') {
    const joined = input.agents.some(one => one.node === workload.node)
    return identity === undefined || joined ? undefined : `no agent has joined as ${workload.node ?? 'its host'}`
  }
  const { mode, from: policy } = input.mtlsOf(workload, port)
  return mode === 'STRICT' ? `MTLS_REQUIRED by PeerAuthentication ${policy}` : undefined
}
