import type { MtlsMode } from '../../mesh/model/agent-config.ts'
import type { CatalogueService, CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import { type Locality, unknownLocality } from '../../mesh/model/locality.ts'
import type { ServicePort } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import type { RoutingClient } from '../../mesh/routing/world.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { AgentStatus } from '../status.ts'
import type { ExplainStep } from './explain.ts'
import type { PolicyQuestion } from './explain-policy.ts'

export interface ExplainInput {
  readonly catalogue: CatalogueSnapshot
  /** Everything operators have applied. */
  readonly resources: readonly Resource[]
  /** `mesh` */
  readonly dnsDomain: string
  readonly rootNamespace: string
  readonly agents: readonly AgentStatus[]
  readonly mtlsOf: (workload: Workload, port: number) => { readonly mode: MtlsMode; readonly from: string }
  readonly identityOf: (workload: Workload) => string | undefined
}

/** Who calls. A host without an agent cannot prove anything: what it sends is plaintext, as a stranger's. */
export interface Caller {
  readonly meshed: boolean
  readonly identity: string | undefined
  readonly client: RoutingClient
  readonly locality: Locality
  /** Its end of connections; empty when it is not known. */
  readonly address: string
  /** What the policies of the called host are asked; none before the callee is known. */
  readonly question?: PolicyQuestion
}

/** A caller that is not in the mesh. */
export const stranger: Caller = {
  meshed: false,
  identity: undefined,
  client: { namespace: '', labels: {} },
  locality: unknownLocality,
  address: '',
}

/** The caller of that name, and the step that tells of it. Throws WEFT_NOT_FOUND. */
export function findCaller(input: ExplainInput, from: string, steps: ExplainStep[]): Caller {
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
  const { labels, locality, address } = source
  return { meshed: agent !== undefined, identity, client: { namespace: source.namespace, labels }, locality, address }
}

function callerText(source: Workload, agent: AgentStatus | undefined, identity: string | undefined): string {
  const name = `${source.namespace}/${source.name}`
  if (source.node === undefined) return `${name} sits on no host with an agent, it calls in plaintext`
  if (agent === undefined) return `${name} sits on ${source.node}, where no agent has joined: it calls in plaintext`
  const as = identity === undefined ? 'without an identity' : `as ${identity}`
  return `${name} sits on ${source.node} (agent ${agent.state === 'never' ? 'not seen yet' : agent.state}), ${as}`
}

/** Who is called: a service, or a host that only rules know. */
export interface Callee {
  /** As the caller writes it, in full. */
  readonly host: string
  readonly port: number
  readonly known: { readonly service: CatalogueService; readonly port: ServicePort } | undefined
}

/** Who is called, where it need not be a service. Throws WEFT_NOT_FOUND as {@link findService} does. */
export function findCallee(input: ExplainInput, to: string): Callee {
  const [host = '', portText = ''] = to.split(':')
  const isHost = host.includes('.') && /^\d{0,5}$/.test(portText)
  if (isHost && serviceNamed(input, host) === undefined) {
    return { host, port: portText === '' ? 80 : Number(portText), known: undefined }
  }
  const known = findService(input, to)
  const { service, port } = known
  const name = service.hosts.includes(host) ? host : `${service.name}.${service.namespace}.${input.dnsDomain}`
  return { host: name, port: port.port, known }
}

/** The service of that name, and its port. Throws WEFT_NOT_FOUND. */
export function findService(
  input: ExplainInput,
  to: string,
): { readonly service: CatalogueService; readonly port: ServicePort } {
  const [host = '', portText] = to.split(':')
  const service = serviceNamed(input, host)
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

function serviceNamed({ catalogue, dnsDomain }: ExplainInput, text: string): CatalogueService | undefined {
  const host = text.endsWith(`.${dnsDomain}`) ? text.slice(0, -dnsDomain.length - 1) : text
  return catalogue.services
    .values()
    .find(
      one =>
        host === `${one.name}.${one.namespace}` ||
        one.hosts.includes(host) ||
        (host === one.name && one.namespace === 'default'),
    )
}
