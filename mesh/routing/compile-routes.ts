import type { Config, HttpMatchSpec, HttpRouteSpec } from '../model/traffic.ts'
import { octetsOf } from '../std/octets.ts'
import { compileMatch, isForClient } from './compile-match.ts'
import type { CompileContext } from './context.ts'
import { compileCors } from './cors.ts'
import type { HttpRule } from './delegates.ts'
import { compileFault, share } from './fault.ts'
import { authorityOfOperations, compileOperations } from './header-operations.ts'
import { limit, milliseconds } from './policy-values.ts'
import { compileRedirect } from './redirect.ts'
import { retryPolicy } from './retry-policy.ts'
import { compileRewrite } from './rewrite.ts'
import type { DestinationShape, Mirror, RequestShape, Route, RouteAction, RouteDestination } from './route.ts'

/** Response fields that the data plane says itself, whatever a rule says. */
const ownResponseFields = ['server']

/**
 * The rules for requests of a VirtualService as routes, in order, one for each match that this client can meet
 * (networking.istio.io/v1 HTTPRoute). Empty when none is for it. Values were validated before; a regular expression that
 * RE2 would refuse throws a SyntaxError.
 */
export function compileHttpRoutes(
  rules: readonly HttpRule[],
  { namespace, name }: Pick<Config<unknown>, 'namespace' | 'name'>,
  context: CompileContext,
): readonly Route[] {
  return rules.flatMap(({ spec, place }) => {
    const of = { rule: `VirtualService ${namespace}/${name} ${place}`, namespace, context }
    const matches = spec.match ?? []
    if (matches.length === 0) return [compileRoute(spec, undefined, of)]
    return matches.filter(match => isForClient(match, context)).map(match => compileRoute(spec, match, of))
  })
}

/** What happens to requests for a host that no rule is about: they go to the destination, tried again as the mesh says. */
export function defaultRoute(destination: RouteDestination, context: CompileContext): Route {
  return {
    name: 'default',
    rule: 'default',
    match: [],
    action: {
      kind: 'forward',
      destinations: [destination],
      totalWeight: 0,
      timeoutMs: undefined,
      retry: retriesOf(undefined, destination, context),
      mirrors: [],
    },
    fault: undefined,
    request: undefined,
    response: undefined,
    cors: undefined,
    spec: undefined,
  }
}

interface RuleContext {
  readonly rule: string
  /** Of the rule: short hosts belong to it. */
  readonly namespace: string
  readonly context: CompileContext
}

function compileRoute(spec: HttpRouteSpec, match: HttpMatchSpec | undefined, rule: RuleContext): Route {
  const action = actionOf(spec, match, rule)
  const forwards = action.kind === 'forward'
  const [only, ...others] = spec.route ?? []
  // a destination that is the only one adds to the rule; of several each has a level of its own, which comes before it
  const last = forwards && others.length === 0 ? only?.headers : undefined
  return {
    name: routeName(spec, match),
    rule: rule.rule,
    match: match === undefined ? [] : compileMatch(match),
    action,
    fault: compileFault(spec.fault),
    request: forwards ? requestShape(spec, match, last?.request) : undefined,
    response: compileOperations([spec.headers?.response, last?.response], ownResponseFields),
    cors: forwards && spec.corsPolicy !== undefined ? compileCors(spec.corsPolicy) : undefined,
    spec,
  }
}

function routeName(spec: HttpRouteSpec, match: HttpMatchSpec | undefined): string {
  const rule = spec.name === undefined || spec.name === '' ? 'default' : spec.name
  return match?.name === undefined || match.name === '' ? rule : `${rule}.${match.name}`
}

function actionOf(spec: HttpRouteSpec, match: HttpMatchSpec | undefined, rule: RuleContext): RouteAction {
  const { context } = rule
  if (spec.redirect !== undefined) {
    return { kind: 'redirect', redirect: compileRedirect(spec.redirect, match, context.port) }
  }
  if (spec.directResponse !== undefined) {
    const { status, body } = spec.directResponse
    const bytes = body?.bytes === undefined ? Buffer.from(body?.string ?? '') : Buffer.from(body.bytes, 'base64')
    return { kind: 'direct', status, body: bytes }
  }
  const destinations = destinationsOf(spec, rule)
  const [first] = destinations
  return {
    kind: 'forward',
    destinations,
    totalWeight: destinations.length > 1 ? destinations.reduce((sum, { weight }) => sum + weight, 0) : 0,
    timeoutMs: limit(milliseconds(spec.timeout)),
    retry: retriesOf(spec, first, context),
    mirrors: mirrorsOf(spec, rule),
  }
}

function destinationsOf(spec: HttpRouteSpec, { namespace, context }: RuleContext): readonly RouteDestination[] {
  const route = spec.route ?? []
  return route.map(({ destination, weight, headers }) => {
    const resolved = context.destination(destination, namespace, weight ?? 0)
    if (route.length === 1 || headers === undefined) return resolved
    const shape: DestinationShape = {
      request: compileOperations([headers.request]),
      response: compileOperations([headers.response], ownResponseFields),
      authority: octetsOf(authorityOfOperations(headers.request)),
    }
    return { ...resolved, shape }
  })
}

/** `mirror` and `mirrors`; without a percentage all requests are copied. */
function mirrorsOf(spec: HttpRouteSpec, { namespace, context }: RuleContext): readonly Mirror[] {
  const single =
    spec.mirror === undefined ? [] : [{ destination: spec.mirror, percentage: singleMirrorPercentage(spec) }]
  return [...single, ...(spec.mirrors ?? [])]
    .map(({ destination, percentage }) => ({
      destination: context.destination(destination, namespace, 0),
      share: percentage === undefined ? 1 : share(percentage.value ?? 0),
    }))
    .filter(mirror => mirror.share > 0)
}

function singleMirrorPercentage({ mirrorPercentage, mirrorPercent }: HttpRouteSpec) {
  return mirrorPercentage ?? (mirrorPercent === undefined ? undefined : { value: mirrorPercent })
}

/** Undefined where the request goes as it came. The rule's own authority counts more than its only destination's. */
function requestShape(
  spec: HttpRouteSpec,
  match: HttpMatchSpec | undefined,
  last: NonNullable<HttpRouteSpec['headers']>['request'],
): RequestShape | undefined {
  const operations = compileOperations([spec.headers?.request, last])
  const authorities = [
    spec.rewrite?.authority ?? '',
    authorityOfOperations(spec.headers?.request),
    authorityOfOperations(last),
  ]
  const authority = octetsOf(authorities.find(text => text !== '') ?? '')
  const rewrite = compileRewrite(spec.rewrite, match)
  if (operations === undefined && authority === '' && rewrite === undefined) return undefined
  return { operations, authority, rewrite }
}

function retriesOf(
  spec: HttpRouteSpec | undefined,
  destination: RouteDestination | undefined,
  context: CompileContext,
) {
  return retryPolicy(spec?.retries, {
    direction: 'outbound',
    defaults: context.defaultRetries,
    consistentHash: destination !== undefined && context.consistentHash(destination),
  })
}
