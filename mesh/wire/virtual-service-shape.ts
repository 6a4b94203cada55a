import type {
  DestinationRef,
  HeaderOperations,
  Headers,
  HttpMatchSpec,
  HttpRouteSpec,
  L4MatchSpec,
  Percent,
  RetriesSpec,
  StringMatch,
  TcpRouteSpec,
  TlsRouteSpec,
  VirtualServiceSpec,
} from '../model/traffic.ts'
import {
  anyText,
  count,
  duration,
  flag,
  headerText,
  listOf,
  mapOf,
  needed,
  objectOf,
  oneOf,
  percent,
  port,
  text,
} from './shape.ts'

type Part<T, Key extends keyof T> = Exclude<T[Key], undefined>

const texts = listOf(text)
const labels = mapOf(text)

const stringMatch = objectOf<StringMatch>({ exact: text, prefix: text, regex: text, pathPrefix: text })
const stringMatches = mapOf(stringMatch)
const share = objectOf<Percent>({ value: percent })

const operations = objectOf<HeaderOperations>({ set: mapOf(headerText), add: mapOf(headerText), remove: texts })
const headers = objectOf<Headers>({ request: operations, response: operations })

const destination = objectOf<DestinationRef>({
  host: needed(text),
  subset: text,
  port: objectOf<Part<DestinationRef, 'port'>>({ number: port }),
})

/** Of routes, and of MeshSettings for all routes that say nothing. */
export const retries = objectOf<RetriesSpec>({
  attempts: count,
  perTryTimeout: duration,
  retryOn: text,
  retryRemoteLocalities: flag,
  retryIgnorePreviousHosts: flag,
  backoff: duration,
})

/** Of no effect in Istio either, or for Envoy's own statistics. */
const meaningless = ['statPrefix', 'sourceSubnet']

const httpMatch = objectOf<HttpMatchSpec>(
  {
    name: text,
    uri: stringMatch,
    scheme: stringMatch,
    method: stringMatch,
    authority: stringMatch,
    headers: stringMatches,
    withoutHeaders: stringMatches,
    queryParams: stringMatches,
    port,
    sourceLabels: labels,
    sourceNamespace: text,
    gateways: texts,
    ignoreUriCase: flag,
  },
  meaningless,
)

type Redirect = Part<HttpRouteSpec, 'redirect'>
type DirectResponse = Part<HttpRouteSpec, 'directResponse'>
type Delegate = Part<HttpRouteSpec, 'delegate'>
type Rewrite = Part<HttpRouteSpec, 'rewrite'>
type Fault = Part<HttpRouteSpec, 'fault'>
type Cors = Part<HttpRouteSpec, 'corsPolicy'>

const redirect = objectOf<Redirect>({
  uri: text,
  authority: text,
  port,
  derivePort: oneOf('FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'),
  scheme: text,
  redirectCode: count,
  prefixRewrite: text,
})

const directResponse = objectOf<DirectResponse>({
  status: needed(count),
  body: objectOf<Part<DirectResponse, 'body'>>({ string: anyText, bytes: text }),
})

const rewrite = objectOf<Rewrite>({
  uri: text,
  authority: text,
  uriRegexRewrite: objectOf<Part<Rewrite, 'uriRegexRewrite'>>({ match: text, rewrite: text }),
})

const fault = objectOf<Fault>({
  delay: objectOf<Part<Fault, 'delay'>>({ fixedDelay: duration, percentage: share, percent: count }),
  abort: objectOf<Part<Fault, 'abort'>>({ httpStatus: count, grpcStatus: text, percentage: share }),
})

const corsPolicy = objectOf<Cors>({
  allowOrigins: listOf(stringMatch),
  allowOrigin: texts,
  allowMethods: texts,
  allowHeaders: texts,
  exposeHeaders: texts,
  maxAge: duration,
  allowCredentials: flag,
  unmatchedPreflights: oneOf('UNSPECIFIED', 'FORWARD', 'IGNORE'),
})

const httpRoute = objectOf<HttpRouteSpec>({
  name: text,
  match: listOf(httpMatch),
  route: listOf(
    objectOf<Part<HttpRouteSpec, 'route'>[number]>({ destination: needed(destination), weight: count, headers }),
  ),
  redirect,
  directResponse,
  delegate: objectOf<Delegate>({ name: text, namespace: text }),
  rewrite,
  timeout: duration,
  retries,
  fault,
  mirror: destination,
  mirrorPercentage: share,
  mirrorPercent: count,
  mirrors: listOf(
    objectOf<Part<HttpRouteSpec, 'mirrors'>[number]>({ destination: needed(destination), percentage: share }),
  ),
  corsPolicy,
  headers,
})

const l4Match = { destinationSubnets: texts, port, sourceLabels: labels, sourceNamespace: text, gateways: texts }
const l4Route = listOf(
  objectOf<Part<TcpRouteSpec, 'route'>[number]>({ destination: needed(destination), weight: count }),
)

/** A VirtualService's spec as it travels. */
export const virtualService = objectOf<VirtualServiceSpec>({
  hosts: texts,
  gateways: texts,
  http: listOf(httpRoute),
  tls: listOf(
    objectOf<TlsRouteSpec>({
      match: needed(listOf(objectOf<TlsRouteSpec['match'][number]>({ ...l4Match, sniHosts: needed(texts) }))),
      route: l4Route,
    }),
  ),
  tcp: listOf(objectOf<TcpRouteSpec>({ match: listOf(objectOf<L4MatchSpec>(l4Match, meaningless)), route: l4Route })),
  exportTo: texts,
})
