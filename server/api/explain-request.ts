import { normalizePath } from '../../mesh/routing/path.ts'
import { redirectOf } from '../../mesh/routing/redirect.ts'
import type { Route, RouteAction, RouteRequest } from '../../mesh/routing/route.ts'
import { createRouting, type Routing } from '../../mesh/routing/routing.ts'
import type { RoutingClient } from '../../mesh/routing/world.ts'
import { octetsOf, textOf } from '../../mesh/std/octets.ts'
import type { ExplainStep, Explanation } from './explain.ts'
import { lostDelegations } from './explain-delegates.ts'
import { type ExplainedDestination, judgeDestinations, reasonOf } from './explain-destination.ts'
import { mismatchOf } from './explain-match.ts'
import type { Callee, Caller, ExplainInput } from './explain-parties.ts'
import { worldOf } from './explain-world.ts'

/** A request that somebody asks about. */
export interface AskedRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  /** In lower case; `host` goes before the name of the callee. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** Of a token that counts as verified. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/** What routing makes of a request. */
export interface ExplainedRequest {
  readonly method: string
  readonly authority: string
  /** In the form that is routed. */
  readonly path: string
  readonly virtualHost: string
  /** Rules of the host that were looked at before the one that matched, and why they are about other requests. */
  readonly passedOver: readonly { readonly rule: string; readonly why: string }[]
  /** The rule that matched: `VirtualService shop/cart http[1]`, or `default`. */
  readonly rule?: string
  readonly name?: string
  readonly action?: RouteAction['kind']
  /** Absent for none. */
  readonly timeoutMs?: number
  readonly retries?: {
    readonly attempts: number
    readonly on: readonly string[]
    readonly statusCodes: readonly number[]
    readonly perTryTimeoutMs?: number
  }
  readonly destinations: readonly ExplainedDestination[]
}

type Forward = Extract<RouteAction, { kind: 'forward' }>

/** So many rules that were passed over are shown to people. */
const shownRules = 20

/**
 * Explains one request of a caller in the mesh by the code its agent decides with. `steps` are what was found out before.
 * A verdict of `allowed` is also what a rule answers itself: the reason then says that it does.
 */
export function explainRequest(
  input: ExplainInput,
  caller: Caller,
  callee: Callee,
  asked: AskedRequest,
  steps: ExplainStep[],
): Explanation {
  const world = worldOf(input, caller.client)
  const routing = createRouting(world)
  const sidecar = routing.sidecar(caller.client)
  if (sidecar.name !== '') {
    const detail = `${sidecar.name}, calls of hosts it does not show: ${sidecar.outboundTrafficPolicy}`
    steps.push({ ok: true, what: 'sidecar', detail })
  }
  const refused = (reason: string, request?: ExplainedRequest): Explanation => {
    return { verdict: 'refused', reason, steps, endpoints: [], ...(request === undefined ? {} : { request }) }
  }
  const path = normalizePath(octetsOf(asked.path), world.traffic.mesh.pathNormalization?.normalization ?? 'DEFAULT')
  if (path === undefined) {
    steps.push({ ok: false, what: 'path', detail: `${asked.path} cannot be brought into one form` })
    return refused('BAD_HTTP_REQUEST')
  }
  if (path !== octetsOf(asked.path)) steps.push({ ok: true, what: 'path', detail: `it is routed as ${textOf(path)}` })
  const request = requestOf(asked, callee, path)
  const host = virtualHostOf(routing, caller.client, callee, request.authority)
  const { method, authority } = request
  const passedOver: { readonly rule: string; readonly why: string }[] = []
  const seen = { method, authority, path: textOf(path), virtualHost: host.name, passedOver, destinations: [] }
  if (host.name === 'block_all') {
    steps.push({ ok: false, what: 'host', detail: `nobody knows ${authority} on port ${callee.port}` })
    return refused('BLOCKED_HOST', seen)
  }
  if (host.name === 'allow_any') {
    const detail = `nobody knows ${authority} on port ${callee.port}: the request goes on to the address it was made to`
    steps.push({ ok: true, what: 'host', detail })
    return { verdict: 'allowed', reason: 'OK', steps, endpoints: [], request: seen }
  }
  steps.push({ ok: true, what: 'host', detail: `${host.name}, with ${host.routes.length} rules` })
  const lost = lostDelegations(world, host.name.slice(0, host.name.lastIndexOf(':')), caller.client.namespace)
  for (const detail of lost.slice(0, shownRules)) steps.push({ ok: true, passedOver: true, what: 'delegate', detail })
  const route = chooseRoute(host.routes, request, passedOver)
  steps.push(...passedOver.slice(0, shownRules).map(passedOverStep))
  const hidden = passedOver.length - shownRules
  if (hidden > 0) steps.push({ ok: true, passedOver: true, what: 'rules', detail: `${hidden} more do not match` })
  if (route === undefined) {
    steps.push({ ok: false, what: 'rule', detail: 'none matches' })
    return refused('NO_HTTP_ROUTE', seen)
  }
  const { rule, name, action } = route
  const title = rule === 'default' ? 'none says otherwise: the service itself' : `${rule} (${name})`
  steps.push({ ok: true, what: 'rule', detail: title }, ...effectsOf(route))
  const found = { ...seen, rule, name, action: action.kind }
  if (action.kind === 'forward') return forwarded(input, caller, routing, action, steps, found)
  const answered = answerOf(route, request)
  steps.push({ ok: true, what: 'answer', detail: answered.detail })
  return { verdict: 'allowed', reason: answered.reason, steps, endpoints: [], request: found }
}

function requestOf({ method, headers }: AskedRequest, { host, port }: Callee, path: string): RouteRequest {
  const named = headers.find(([name]) => name === 'host')?.[1]
  const authority = named ?? (port === 80 ? host : `${host}:${port}`)
  const fields = headers.filter(([name]) => name !== 'host').flatMap(([name, value]) => [name, octetsOf(value)])
  return { method, scheme: 'http', authority, path, headers: fields }
}

/** By its name; a name that nobody knows counts as that of the service whose address is called. */
function virtualHostOf(routing: Routing, client: RoutingClient, callee: Callee, authority: string) {
  const routes = routing.httpPort(client, callee.port)
  const host = routes.find(authority)
  const isUnknown = host.name === 'allow_any' || host.name === 'block_all'
  return isUnknown && callee.known !== undefined ? routes.find(callee.host) : host
}

function chooseRoute(
  routes: readonly Route[],
  request: RouteRequest,
  passedOver: { readonly rule: string; readonly why: string }[],
): Route | undefined {
  for (const route of routes) {
    const why = mismatchOf(route, request)
    if (why === undefined) return route
    passedOver.push({ rule: route.rule, why })
  }
  return undefined
}

function passedOverStep({ rule, why }: { readonly rule: string; readonly why: string }): ExplainStep {
  return { ok: true, passedOver: true, what: 'rule', detail: `${rule}: ${why}` }
}

/** What a rule does besides sending the request somewhere. */
function effectsOf({ fault, cors, spec }: Route): readonly ExplainStep[] {
  const steps: ExplainStep[] = []
  const say = (what: string, detail: string) => void steps.push({ ok: true, what, detail })
  if (fault !== undefined && fault.delayShare > 0) {
    say('fault', `${fault.delayShare * 100} % wait ${fault.delayMs} ms`)
  }
  if (fault?.abort !== undefined && fault.abortShare > 0) {
    say('fault', `${fault.abortShare * 100} % get the ${fault.abort.kind} status ${fault.abort.status}`)
  }
  if (cors !== undefined) say('cors', 'preflights of allowed origins are answered by the caller’s agent')
  if (spec?.rewrite !== undefined) say('rewrite', JSON.stringify(spec.rewrite))
  return steps
}

function answerOf(route: Route, request: RouteRequest): { readonly reason: string; readonly detail: string } {
  const { action } = route
  if (action.kind === 'direct') return { reason: 'DIRECT_RESPONSE', detail: `the rule answers with ${action.status}` }
  const { status, location } = redirectOf(route, request)
  return { reason: 'REDIRECT', detail: `the rule answers with ${status} to ${textOf(location)}` }
}

function forwarded(
  input: ExplainInput,
  caller: Caller,
  routing: Routing,
  action: Forward,
  steps: ExplainStep[],
  found: ExplainedRequest,
): Explanation {
  const { timeoutMs, retry, mirrors, destinations } = action
  const judged = judgeDestinations(input, caller, routing, destinations)
  const details = judged.flatMap(one => one.steps)
  for (const { destination, share } of mirrors) {
    details.push({
      ok: true,
      what: 'mirror',
      detail: `${share * 100} % copied to ${destination.host}:${destination.port}`,
    })
  }
  details.push({ ok: true, what: 'timeout', detail: timeoutMs === undefined ? 'none' : `${timeoutMs} ms` })
  const retries = retry && {
    attempts: retry.attempts,
    on: [...retry.on],
    statusCodes: [...retry.statusCodes],
    ...(retry.perTryTimeoutMs === undefined ? {} : { perTryTimeoutMs: retry.perTryTimeoutMs }),
  }
  const on = [...(retries?.on ?? []), ...(retries?.statusCodes ?? [])].join(', ')
  details.push({ ok: true, what: 'retries', detail: retries === undefined ? 'none' : `${retries.attempts} on ${on}` })
  const reason = reasonOf(judged)
  const request: ExplainedRequest = {
    ...found,
    destinations: judged.map(({ explained }) => explained),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(retries === undefined ? {} : { retries }),
  }
  return {
    verdict: reason === 'OK' ? 'allowed' : 'refused',
    reason,
    steps: [...steps, ...details],
    endpoints: judged.flatMap(({ explained }) => explained.endpoints),
    request,
  }
}
