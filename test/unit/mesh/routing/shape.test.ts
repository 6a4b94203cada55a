import t from 'tap'
import type { HttpRouteSpec } from '../../../../mesh/model/traffic.ts'
import { chooseDestination } from '../../../../mesh/routing/decide.ts'
import { mirrorRequest, shapeRequest, shapeResponse } from '../../../../mesh/routing/shape.ts'
import { factsOf, headOf, routeOf } from '../../../support/compiled-routes.ts'

/** The head that goes upstream, without its pseudo-headers but authority and path, and without the count of tries. */
function shaped(spec: HttpRouteSpec, head: string[], facts = factsOf()): string[] {
  const route = routeOf(spec)
  if (route.action.kind !== 'forward') throw new Error('the rule does not forward')
  shapeRequest(
    route,
    chooseDestination(route.action, () => 0),
    head,
    facts,
  )
  const lines = head.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${head[at + 1]}`] : []))
  return lines.filter(line => !/^(:method|:scheme|x-envoy-attempt-count): /.test(line))
}

const twoDestinations = (first: object): HttpRouteSpec['route'] => [
  { destination: { host: 'cart', subset: 'v1' }, weight: 100, headers: first },
  { destination: { host: 'cart', subset: 'v2' }, weight: 0 },
]

t.test('a request that no rule is about is only counted', async t => {
  const head = headOf('/a', 'x', '1')
  t.same(shaped({}, head), [':authority: cart', ':path: /a', 'x: 1'])
  t.same(head.slice(-2), ['x-envoy-attempt-count', '1'])
})

t.test('a rewrite replaces what its match found, and says what was there', async t => {
  const rewritten = (uri: object | undefined, path: string, to: string, from: string) => {
    const match = uri === undefined ? [] : [{ uri }]
    const lines = shaped({ match, rewrite: { uri: to } }, headOf(path))
    t.same(lines, [':authority: cart', `:path: ${from}`, `x-envoy-original-path: ${path}`], `${path} to ${from}`)
  }
  rewritten({ prefix: '/old/' }, '/old/x?q=/old/', '/new/', '/new/x?q=/old/')
  rewritten({ prefix: '/old' }, '/old/x', '/', '//x')
  rewritten({ prefix: '/old' }, '/oldx', '/', '/x')
  rewritten({ exact: '/old' }, '/old?a', '/new', '/new?a')
  rewritten({ regex: '/o.*' }, '/old/x?a', '/new', '/new?a')
  rewritten(undefined, '/a/b', '/all', '/alla/b')
  rewritten({ pathPrefix: '/old' }, '/old/x?q', '/', '/x?q')
  rewritten({ pathPrefix: '/old' }, '/old', '/', '/')
  rewritten({ pathPrefix: '/old/' }, '/old/x', '/new', '/new/x')
  rewritten({ pathPrefix: '/' }, '/x', '/new', '/new/x')
})

t.test('a pattern is replaced wherever it is found in the path', async t => {
  const rewrite = { uriRegexRewrite: { match: '/v(\\d+)', rewrite: '/version-\\1' } }
  const lines = shaped({ rewrite }, headOf('/v1/x/v23?a=/v4'))
  t.equal(lines[1], ':path: /version-1/x/version-23?a=/v4')
})

t.test('operations remove, then set, then add, and see the request as it came', async t => {
  const request = {
    remove: ['X-Old'],
    set: { 'x-a': '1', 'x-was': '%REQ(x-a)%', 'x-none': '%REQ(x-old)%' },
    add: { 'x-a': '2', 'x-path': '%REQ(:path)%' },
  }
  const lines = shaped(
    { headers: { request }, rewrite: { uri: '/new' } },
    headOf('/p', 'X-A', '0', 'x-old', 'o', 'x-a', '9'),
  )
  t.same(lines.slice(2), ['x-a: 1', 'x-was: 0', 'x-a: 2', 'x-path: /p', 'x-envoy-original-path: /p'])
})

t.test('the only destination adds to the rule; one of several comes before it', async t => {
  const headers = { request: { set: { x: 'rule' } } }
  const own = { request: { add: { x: 'destination' } } }
  const one = { headers, route: [{ destination: { host: 'cart' }, headers: own }] }
  t.same(shaped(one, headOf('/')).slice(2), ['x: rule', 'x: destination'])
  t.same(shaped({ headers, route: twoDestinations(own) }, headOf('/')).slice(2), ['x: rule'])
})

t.test('setting host is a rewrite of the authority', async t => {
  const host = (name: string) => ({ request: { set: { Host: name } } })
  const original = 'x-envoy-original-host: cart'
  t.same(shaped({ headers: host('a.test') }, headOf('/')), [':authority: a.test', ':path: /', original])
  t.same(shaped({ rewrite: { authority: 'b.test' } }, headOf('/')), [':authority: b.test', ':path: /', original])
  const single = {
    rewrite: { authority: 'b.test' },
    route: [{ destination: { host: 'cart' }, headers: host('c.test') }],
  }
  t.equal(shaped(single, headOf('/'))[0], ':authority: b.test')
  t.same(shaped({ route: twoDestinations(host('d.test')) }, headOf('/')), [':authority: d.test', ':path: /'])
})

t.test('the upstream is told how long it has', async t => {
  const expected = 'x-envoy-expected-rq-timeout-ms'
  t.same(shaped({ timeout: '2s' }, headOf('/')).slice(2), [`${expected}: 2000`])
  const retries = { attempts: 2, perTryTimeout: '0.2s' }
  t.same(shaped({ timeout: '2s', retries }, headOf('/')).slice(2), [`${expected}: 200`])
  t.same(shaped({ timeout: '0.1s', retries }, headOf('/')).slice(2), [`${expected}: 100`])
  const grpc = shaped({ timeout: '2s' }, headOf('/', 'grpc-timeout', '1S'), factsOf({ isGrpc: true }))
  t.same(grpc.slice(2), ['grpc-timeout: 1000m', `${expected}: 1000`])
})

t.test('responses are shaped by destination and rule, but for what the proxy says itself', async t => {
  const headers = { response: { set: { 'x-b': '%REQ(x-q)% %RESP(x-up)%', server: 'mine' }, remove: ['Server'] } }
  const route = routeOf({ headers, route: twoDestinations({ response: { set: { 'x-b': 'd' }, add: { 'x-c': 'c' } } }) })
  if (route.action.kind !== 'forward') throw new Error('the rule does not forward')
  const response = [':status', '200', 'server', 'up', 'x-up', 'u']
  shapeResponse(route, route.action.destinations[0], response, factsOf(), headOf('/', 'x-q', 'q'))
  t.same(response, [':status', '200', 'server', 'up', 'x-up', 'u', 'x-b', 'q u', 'x-c', 'c'])
})

t.test('a mirror is told which proxy copied the request', async t => {
  const head = headOf('/', 'x-forwarded-for', '10.0.0.1')
  t.same(mirrorRequest(head, '10.0.0.2').slice(8), ['x-forwarded-for', '10.0.0.1,10.0.0.2', 'x-envoy-internal', 'true'])
  t.same(head.slice(8), ['x-forwarded-for', '10.0.0.1'], 'the original stays as it is')
})
