import type { CatalogueService } from '../../mesh/model/catalogue.ts'
import type { ClusterSettings } from '../../mesh/routing/cluster.ts'
import { groupEndpoints, nearComeFirst } from '../../mesh/routing/locality.ts'
import type { RouteDestination } from '../../mesh/routing/route.ts'
import type { Routing } from '../../mesh/routing/routing.ts'
import type { ExplainStep } from './explain.ts'
import {
  type ExplainedEndpoint,
  foundElsewhere,
  type JudgedEndpoint,
  judgeEndpoint,
  policySteps,
  refusal,
} from './explain-endpoints.ts'
import type { Caller, ExplainInput } from './explain-parties.ts'

/** One of the places a rule may send a request to. */
export interface ExplainedDestination {
  readonly host: string
  readonly port: number
  readonly subset: string
  readonly cluster: string
  /** Of the requests that the rule matches, in percent. */
  readonly percent: number
  /** How it is called, by which DestinationRule; every default is filled in. */
  readonly settings: ClusterSettings
  /** Endpoints by how near they are: 0 is called first. */
  readonly endpoints: readonly (ExplainedEndpoint & { readonly priority: number })[]
}

/** A destination with what is said of it. */
export interface JudgedDestination {
  readonly explained: ExplainedDestination
  readonly steps: readonly ExplainStep[]
  readonly judged: readonly JudgedEndpoint[]
  /** Whether there is somewhere to go that only the caller's host can know. */
  readonly elsewhere: boolean
}

/** Looks at all destinations of a rule; a share is a weight of their sum, and without any the first takes all. */
export function judgeDestinations(
  input: ExplainInput,
  caller: Caller,
  routing: Routing,
  destinations: readonly RouteDestination[],
): readonly JudgedDestination[] {
  const total = destinations.reduce((sum, { weight }) => sum + weight, 0)
  return destinations.map((destination, at) => {
    const share = total === 0 ? Number(at === 0) : destination.weight / total
    return judgeDestination(input, caller, destination, routing.cluster(caller.client, destination), share * 100)
  })
}

/** `OK` when one of the destinations takes what is sent to it, else the data plane's reason. */
export function reasonOf(judged: readonly JudgedDestination[]): string {
  const wanted = judged.filter(({ explained }) => explained.percent > 0)
  const takes = wanted.some(one => one.elsewhere || one.judged.some(({ obstacle }) => obstacle === undefined))
  if (takes) return 'OK'
  if (wanted.every(({ explained }) => !explained.settings.exists)) return 'NO_CLUSTER'
  return refusal(wanted.flatMap(one => one.judged.flatMap(({ obstacle }) => obstacle ?? [])))
}

/** Looks at a destination as the caller's agent does: does it exist, how is it called, who takes the request. */
function judgeDestination(
  input: ExplainInput,
  caller: Caller,
  destination: RouteDestination,
  settings: ClusterSettings,
  percent: number,
): JudgedDestination {
  const { host, port, subset, cluster } = destination
  const name = `${host}:${port}${subset === '' ? '' : ` subset ${subset}`}`
  const service = serviceOf(input, host)
  const servicePort = service?.ports.find(one => one.port === port)
  const explained = { host, port, subset, cluster, percent, settings }
  if (!settings.exists || service === undefined || servicePort === undefined) {
    const detail = `${round(percent)} % to ${name}, which does not exist`
    const steps = [{ ok: false, what: 'destination', detail }]
    return { explained: { ...explained, endpoints: [] }, steps, judged: [], elsewhere: false }
  }
  const judged = service.endpoints.flatMap(endpoint => {
    const labels = input.catalogue.workloads.get(endpoint.workload)?.labels ?? {}
    const chosen = Object.entries(settings.subsetLabels).every(([key, value]) => labels[key] === value)
    return chosen ? judgeEndpoint(input, service, servicePort, endpoint, caller) : []
  })
  const usable = judged.filter(({ obstacle }) => obstacle === undefined).length
  const elsewhere = judged.length === 0 ? foundElsewhere(service) : undefined
  const takers = elsewhere ?? `${usable} of ${judged.length} endpoints take it`
  const rule = settings.rule === '' ? 'no DestinationRule' : settings.rule
  const steps = [
    {
      ok: usable > 0 || elsewhere !== undefined,
      what: 'destination',
      detail: `${round(percent)} % to ${name}: ${takers}`,
    },
    { ok: true, what: 'settings', detail: `${rule}: ${settingsText(settings)}` },
    ...policySteps(judged),
  ]
  const endpoints = withPriorities(input, caller, judged, settings)
  return { explained: { ...explained, endpoints }, steps, judged, elsewhere: elsewhere !== undefined }
}

function serviceOf({ catalogue, dnsDomain }: ExplainInput, host: string): CatalogueService | undefined {
  return catalogue.services
    .values()
    .find(one => `${one.name}.${one.namespace}.${dnsDomain}` === host || one.hosts.includes(host))
}

function withPriorities(
  { catalogue }: ExplainInput,
  { client, locality }: Caller,
  judged: readonly JudgedEndpoint[],
  settings: ClusterSettings,
): ExplainedDestination['endpoints'] {
  const local = judged.flatMap(({ endpoint }) => {
    const workload = catalogue.workloads.get(endpoint.workload)
    return workload === undefined ? [] : [{ ...workload, endpoint }]
  })
  const from = { locality, labels: client.labels }
  const failsOver = nearComeFirst(from, settings.locality, settings.outlier !== undefined)
  return groupEndpoints(local, from, settings.locality, failsOver)
    .flatMap(({ priority, endpoints }) => endpoints.map(({ endpoint }) => ({ ...endpoint, priority })))
    .sort((a, b) => a.priority - b.priority)
}

/** What differs from one destination to the next; `-o json` has all of it. */
function settingsText(settings: ClusterSettings): string {
  const { balancer, outlier, tls, maxConnections, maxPendingRequests, maxRequests, maxRetries } = settings
  const key = 'key' in balancer ? ` by ${balancer.key.kind}` : ''
  const limits = { maxConnections, maxPendingRequests, maxRequests, maxRetries }
  const limited = Object.entries(limits).flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]))
  return [
    `${balancer.kind}${key}`,
    `connect within ${settings.connectTimeoutMs} ms`,
    ...limited,
    ...(outlier === undefined
      ? []
      : [`ejects after ${outlier.consecutive5xx} errors for ${outlier.baseEjectionMs} ms`]),
    ...(tls.mode === 'auto' ? [] : [`TLS ${tls.mode}`]),
    ...(settings.locality.enabled ? [] : ['localities do not count']),
  ].join(', ')
}

function round(percent: number): number {
  return Math.round(percent * 100) / 100
}
