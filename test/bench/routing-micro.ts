import type { HttpMatchSpec, HttpRouteSpec } from '../../mesh/model/traffic.ts'
import { defaultRoute } from '../../mesh/routing/compile-routes.ts'
import { chooseDestination } from '../../mesh/routing/decide.ts'
import { cleanRequest } from '../../mesh/routing/envoy-headers.ts'
import { findRoute } from '../../mesh/routing/matching.ts'
import { normalizePath } from '../../mesh/routing/path.ts'
import type { VirtualHost } from '../../mesh/routing/route.ts'
import { shapeRequest } from '../../mesh/routing/shape.ts'
import { compileContext, factsOf, routesOf } from '../support/compiled-routes.ts'

/**
 * What routing costs a request, in nanoseconds: finding the route, choosing the destination and shaping the request, on
 * a request with twelve headers; beside it what every request pays before: its path's form, and the headers of proxies.
 * `node test/bench/routing-micro.ts [requests]`, CPU time, the best of five rounds.
 */
const requests = Number(process.argv[2] ?? 300_000)
const rounds = 5

const path = '/api/v1/users/42?fields=name'
const head = [':method', 'GET', ':scheme', 'http', ':authority', 'cart.shop.mesh', ':path', path]
const fields = [
  ...['user-agent', 'curl/8.5.0', 'accept', '*/*', 'accept-encoding', 'gzip, deflate', 'x-user', 'jane'],
  ...['cookie', 'session=0123456789abcdef', 'x-tier', 'gold', 'x-request-id', '5e5e5e5e-1111-4222-8333-444444444444'],
  ...['traceparent', '00-463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-01', 'content-type', 'application/json'],
  ...['accept-language', 'en', 'cache-control', 'no-cache', 'x-forwarded-proto', 'http'],
]

function host(matches: readonly HttpMatchSpec[], rest: HttpRouteSpec = {}): VirtualHost {
  return { name: 'cart:80', routes: routesOf([...matches.map(match => ({ match: [match] })), rest]) }
}

const context = compileContext()
const twenty = Array.from({ length: 19 }, (_, index) => ({ uri: { prefix: `/api/v${index + 2}/` } }))
const hosts: Readonly<Record<string, VirtualHost>> = {
  'default route': {
    name: 'cart:80',
    routes: [defaultRoute(context.destination({ host: 'cart' }, 'shop', 0), context)],
  },
  '20 rules with uri prefixes': host([...twenty, { uri: { prefix: '/api/v1/' } }]),
  'header match': host([{ headers: { 'x-tier': { exact: 'gold' } } }]),
  'two weights': host([], {
    route: [1, 9].map(weight => ({ destination: { host: 'cart', subset: `v${weight}` }, weight })),
  }),
  'header operations': host([], { headers: { request: { set: { 'x-a': '1' }, remove: ['x-user'] } } }),
  'regular expression': host([{ uri: { regex: '/api/v1/users/\\d+' } }]),
  'regular expression with anchors': host([{ uri: { regex: '^/api/v[0-9]+/.*$' } }]),
}
const rewriting = routesOf([
  {
    match: [{ uri: { prefix: '/api/' } }],
    rewrite: { uri: '/' },
    headers: { request: { set: { 'x-p': '%REQ(:path)%' } } },
  },
])

let seed = 1
const random = () => {
  seed = (seed * 48271) % 0x7fffffff
  return seed / 0x7fffffff
}

function route(host: VirtualHost): () => number {
  const facts = factsOf()
  return () => {
    const headers = [...head, ...fields]
    const request = { method: 'GET', scheme: 'http', authority: 'cart.shop.mesh', path, headers }
    const found = findRoute(host, request)
    if (found?.action.kind !== 'forward') throw new Error('no route')
    shapeRequest(found, chooseDestination(found.action, random), headers, facts)
    return headers.length
  }
}

const scenarios: Readonly<Record<string, () => number>> = {
  'copying the headers (part of what follows)': () => [...head, ...fields].length,
  ...Object.fromEntries(Object.entries(hosts).map(([name, host]) => [name, route(host)])),
  'rewrite and format': route({ name: 'cart:80', routes: rewriting }),
  normalizePath: () => normalizePath(path, 'DEFAULT')?.length ?? 0,
  'normalizePath with a dot segment': () => normalizePath('/api/v1/../v1/users/42', 'DEFAULT')?.length ?? 0,
  cleanRequest: () => cleanRequest([...head, ...fields], 'http').length,
}

const best = new Map<string, number>()
let sum = 0
for (let round = 0; round < rounds; round += 1) {
  for (const [name, run] of Object.entries(scenarios)) {
    const start = process.cpuUsage()
    for (let count = 0; count < requests; count += 1) sum += run()
    const { user, system } = process.cpuUsage(start)
    const ns = ((user + system) / requests) * 1000
    best.set(name, Math.min(best.get(name) ?? Number.POSITIVE_INFINITY, ns))
  }
}
for (const [name, ns] of best) console.log(`${name.padEnd(44)} ${ns.toFixed(0).padStart(6)} ns`)
// what was made must be used, or it would not be made
if (sum === 0) throw new Error('nothing was done')
