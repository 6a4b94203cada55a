import { parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { CatalogueService } from '../../mesh/model/catalogue.ts'
import type { ServicePort } from '../../mesh/model/service.ts'
import { createRouting } from '../../mesh/routing/routing.ts'
import { type JudgedDestination, judgeDestinations, reasonOf } from './explain-destination.ts'
import { type ExplainedEndpoint, foundElsewhere, judgeEndpoint, policySteps, refusal } from './explain-endpoints.ts'
import { type Caller, type ExplainInput, findCallee, findCaller, findService, stranger } from './explain-parties.ts'
import { type PolicyQuestion, policyQuestion } from './explain-policy.ts'
import { type AskedRequest, type ExplainedRequest, explainRequest } from './explain-request.ts'
import { routableOf, worldOf } from './explain-world.ts'

/** One thing that was looked at on the way. */
export interface ExplainStep {
  readonly ok: boolean
  readonly what: string
  readonly detail: string
  /** A rule that is not about this request: neither good nor bad. */
  readonly passedOver?: true
}

/** Whether a connection or a request would be let through, and by what. Reason codes are the data plane's own. */
export interface Explanation {
  readonly verdict: 'allowed' | 'refused'
  readonly reason: string
  readonly steps: readonly ExplainStep[]
  readonly endpoints: readonly ExplainedEndpoint[]
  /** Where a request was asked about, and rules were looked at. */
  readonly request?: ExplainedRequest
}

/**
 * Explains a connection between two named parties, or one request. `from` is a workload's name or its service account,
 * with an optional namespace (`web`, `default/web`), or `outside` for a caller that is not in the mesh; `to` is
 * `service[.namespace][:port]`, and for a request any host. `sourceIp` stands for the caller's own address. Throws WEFT_NOT_FOUND for names nobody has.
 */
export function explain(
  input: ExplainInput,
  from: string,
  to: string,
  asked?: AskedRequest,
  sourceIp?: string,
): Explanation {
  const steps: ExplainStep[] = []
  const found = from === 'outside' ? stranger : findCaller(input, from, steps)
  const caller = { ...found, question: questionOf(input, to, asked, sourceIp ?? found.address) }
  if (asked === undefined) return explainConnection(input, caller, to, steps)
  if (!caller.meshed) {
    const detail = 'none: they are for callers in the mesh'
    return explainConnection(input, caller, to, [...steps, { ok: true, what: 'rules', detail }])
  }
  const callee = findCallee(input, to)
  const { protocol = 'auto' } = callee.known?.port ?? {}
  if (protocol === 'tcp' || protocol === 'tls') {
    const detail = `none of HTTP: the port is declared as ${protocol}, nobody looks for requests there`
    return explainConnection(input, caller, to, [...steps, { ok: true, what: 'rules', detail }])
  }
  return explainRequest(input, caller, callee, asked, [...steps, ...partiesOf(callee.known)])
}

function questionOf(
  input: ExplainInput,
  to: string,
  asked: AskedRequest | undefined,
  sourceIp: string,
): PolicyQuestion {
  const host = asked?.headers.find(([name]) => name === 'host')?.[1]
  const called = asked === undefined ? undefined : findCallee(input, to)
  const port = called === undefined || called.port === 80 ? '' : `:${called.port}`
  return policyQuestion(input, trustDomainOf(input), sourceIp, asked, host ?? `${called?.host ?? ''}${port}`)
}

/** As identities of the mesh have it; empty when there are none yet. */
function trustDomainOf({ catalogue, identityOf }: ExplainInput): string {
  for (const workload of catalogue.workloads.values()) {
    const identity = identityOf(workload)
    if (identity !== undefined) return parseSpiffeId(identity).trustDomain
  }
  return ''
}

function explainConnection(
  input: ExplainInput,
  caller: Caller,
  to: string,
  before: readonly ExplainStep[],
): Explanation {
  const { service, port } = findService(input, to)
  const steps = [...before, ...partiesOf({ service, port })]
  const ruled = ruledDestinations(input, caller, service, port)
  if (ruled !== undefined) {
    const { rule, judged } = ruled
    const reason = reasonOf(judged)
    steps.push({ ok: true, what: 'rule', detail: `${rule} decides where the connection goes` })
    const endpoints = judged.flatMap(({ explained }) => explained.endpoints)
    steps.push(...judged.flatMap(one => one.steps))
    return { verdict: reason === 'OK' ? 'allowed' : 'refused', reason, steps, endpoints }
  }
  const judged = service.endpoints.flatMap(endpoint => judgeEndpoint(input, service, port, endpoint, caller))
  const endpoints = judged.map(({ endpoint }) => endpoint)
  const elsewhere = foundElsewhere(service)
  if (judged.length === 0 && elsewhere !== undefined) {
    steps.push({ ok: true, what: 'endpoints', detail: elsewhere })
    return { verdict: 'allowed', reason: 'OK', steps, endpoints }
  }
  const usable = judged.filter(({ obstacle }) => obstacle === undefined).length
  steps.push({
    ok: usable > 0,
    what: 'endpoints',
    detail: `${usable} of ${judged.length} ${usable === 1 ? 'takes' : 'take'} new connections of this caller`,
  })
  steps.push(...policySteps(judged))
  const reason = usable > 0 ? 'OK' : refusal(judged.flatMap(({ obstacle }) => obstacle ?? []))
  return { verdict: usable > 0 ? 'allowed' : 'refused', reason, steps, endpoints }
}

/** Where `tcp` and `tls` rules send a connection to a port of bytes; undefined where none is about it. */
function ruledDestinations(
  input: ExplainInput,
  caller: Caller,
  service: CatalogueService,
  { port, protocol }: ServicePort,
): { readonly rule: string; readonly judged: readonly JudgedDestination[] } | undefined {
  if (!caller.meshed || (protocol !== 'tcp' && protocol !== 'tls')) return undefined
  const routing = createRouting(worldOf(input, caller.client))
  const routable = routableOf(service, input.dnsDomain)
  const sni = protocol === 'tls' ? (service.hosts[0] ?? routable.hosts[0]) : undefined
  const found = routing.tcp(caller.client, routable, port, sni, routable.addresses[0] ?? '')
  const [first] = found ?? []
  if (found === undefined || first === undefined) return undefined
  const destinations = found.map(({ destination }) => destination)
  return { rule: first.rule, judged: judgeDestinations(input, caller, routing, destinations) }
}

function partiesOf(known: ReturnType<typeof findService> | undefined): readonly ExplainStep[] {
  if (known === undefined) return []
  const { service, port } = known
  const at = service.virtualIps.length === 0 ? '' : `, at ${service.virtualIps.join(' and ')}`
  const detail = `${service.namespace}/${service.name} from ${service.registries.join(', ')}${at}`
  return [
    { ok: true, what: 'service', detail },
    { ok: true, what: 'port', detail: `${port.port} (${port.name}, ${port.protocol})` },
  ]
}
