import { isIPv6 } from 'node:net'
import type { CatalogueService } from '../../mesh/model/catalogue.ts'
import type { Endpoint, ServicePort } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { ExplainStep } from './explain.ts'
import type { Caller, ExplainInput } from './explain-parties.ts'
import { askPolicies } from './explain-policy.ts'

export interface ExplainedEndpoint {
  readonly workload: string
  readonly address: string
  readonly identity: string
  readonly transport: 'mtls' | 'plaintext'
  /** Whether new connections may go there, and if not, why. */
  readonly usable: boolean
  readonly why: string
}

/** An endpoint, and what stands in the way of calling it. */
export interface JudgedEndpoint {
  readonly endpoint: ExplainedEndpoint
  readonly obstacle: Obstacle | undefined
  /** What its policies make of the call. */
  readonly policies: readonly ExplainStep[]
}

/** What keeps an endpoint from being used: the data plane's reason code, and a sentence. */
export interface Obstacle {
  readonly reason: Reason
  readonly why: string
}

type Reason = 'NO_HEALTHY_ENDPOINT' | 'MTLS_REQUIRED' | 'UNKNOWN_CALLER' | 'UPSTREAM_CONNECT' | 'AUTHORIZATION_DENIED'

/** The reason that is nearest to a success: what would have to change first. */
export function refusal(obstacles: readonly Obstacle[]): Reason {
  const order = ['AUTHORIZATION_DENIED', 'UNKNOWN_CALLER', 'MTLS_REQUIRED', 'UPSTREAM_CONNECT'] as const
  return order.find(reason => obstacles.some(one => one.reason === reason)) ?? 'NO_HEALTHY_ENDPOINT'
}

/** Judges an endpoint of a service for a caller; none where it does not serve the port. */
export function judgeEndpoint(
  input: ExplainInput,
  service: CatalogueService,
  port: ServicePort,
  endpoint: Endpoint,
  caller: Caller,
): readonly JudgedEndpoint[] {
  const workload = input.catalogue.workloads.get(endpoint.workload)
  const targetPort = endpoint.ports[port.name]
  if (workload === undefined || targetPort === undefined) return []
  const identity = service.location === 'external' ? undefined : input.identityOf(workload)
  const transport = identity !== undefined && caller.meshed ? 'mtls' : 'plaintext'
  const known =
    unavailable(endpoint, workload) ??
    (transport === 'mtls'
      ? meshedObstacle(input, workload, caller)
      : plaintextObstacle(input, service, workload, targetPort))
  const isServed = service.location !== 'external' && input.agents.some(one => one.node === workload.node)
  const target = { service, workload, port: targetPort, protocol: port.protocol }
  const { refusal, steps } =
    isServed && caller.question !== undefined
      ? askPolicies(caller.question, target, { ...caller, meshed: transport === 'mtls' })
      : { refusal: undefined, steps: [] }
  const denied = refusal === undefined ? undefined : ({ reason: 'AUTHORIZATION_DENIED', why: refusal } as const)
  const obstacle = known ?? denied
  const described = {
    workload: workload.id,
    address: `${isIPv6(workload.address) ? `[${workload.address}]` : workload.address}:${targetPort}`,
    identity: identity ?? '',
    transport,
    usable: obstacle === undefined,
    why: obstacle?.why ?? 'takes new connections',
  } as const
  return [{ endpoint: described, obstacle, policies: steps }]
}

/** What policies say, by the first endpoint that they refuse, else by the first one. */
export function policySteps(judged: readonly JudgedEndpoint[]): readonly ExplainStep[] {
  const shown = judged.find(({ obstacle }) => obstacle?.reason === 'AUTHORIZATION_DENIED') ?? judged[0]
  return shown === undefined ? [] : shown.policies
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

/** Where connections go to that have no endpoint the server knows of; undefined where that is an error. */
export function foundElsewhere(service: CatalogueService): string | undefined {
  const { location, resolution, dnsEndpoints = [], addresses } = service
  if (dnsEndpoints.length > 0) {
    return `what DNS says on the caller’s host of ${dnsEndpoints.map(({ name }) => name).join(', ')}`
  }
  if (resolution === 'dynamic-dns') return 'what DNS says on the caller’s host of the name that is called'
  if (resolution === 'none') return 'none: a connection goes on to the address it was made to'
  return location === 'external' && addresses.length > 0
    ? `none: what goes to ${addresses.join(', ')} is passed on`
    : undefined
}
