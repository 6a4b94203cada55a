import t from 'tap'
import { applyCors, corsOf } from '../../../../mesh/routing/cors.ts'
import { requestOf, routeOf } from '../../../support/compiled-routes.ts'

const policy = {
  allowOrigins: [{ exact: 'https://a.test' }, { regex: 'https://[a-z]+\\.b\\.test' }],
  allowMethods: ['GET', 'PUT'],
  allowHeaders: ['x-one'],
  exposeHeaders: ['x-two', 'x-three'],
  maxAge: '24h',
  allowCredentials: true,
}
const preflight = ['Origin', 'https://a.test', 'Access-Control-Request-Method', 'DELETE']

function decide(corsPolicy: object, method: string, headers: string[]) {
  return corsOf(routeOf({ corsPolicy }), requestOf({ method, headers }))
}

t.test('a preflight of an allowed origin is answered with all that is allowed', async t => {
  t.same(decide(policy, 'OPTIONS', preflight), {
    kind: 'preflight',
    headers: [
      ...['access-control-allow-origin', 'https://a.test', 'access-control-allow-credentials', 'true'],
      ...['access-control-allow-methods', 'GET,PUT', 'access-control-allow-headers', 'x-one'],
      ...['access-control-max-age', '86400', 'access-control-expose-headers', 'x-two,x-three'],
    ],
  })
})

t.test('origins in their old form are exact, and count where there are none in the new one', async t => {
  const allows = (corsPolicy: object, origin: string) => decide(corsPolicy, 'GET', ['origin', origin]) !== undefined
  const old = { allowOrigin: ['https://a.test'] }
  t.equal(allows(old, 'https://a.test'), true)
  t.equal(allows(old, 'https://a.test.example'), false)
  t.equal(allows({ allowOrigin: ['*'] }, 'https://b.test'), true)
  t.equal(allows({ ...old, allowOrigins: [{ exact: 'https://b.test' }] }, 'https://a.test'), false)
})

t.test('other requests of an allowed origin get leave on their response', async t => {
  const decision = decide(policy, 'GET', ['origin', 'https://x.b.test'])
  t.equal(decision?.kind, 'response')
  const headers = [':status', '200', 'Access-Control-Allow-Origin', '*']
  if (decision !== undefined) applyCors(decision, headers)
  t.same(headers.slice(2), [
    ...['access-control-allow-origin', 'https://x.b.test', 'access-control-allow-credentials', 'true'],
    ...['access-control-expose-headers', 'x-two,x-three'],
  ])
  t.equal(decide(policy, 'OPTIONS', ['origin', 'https://a.test'])?.kind, 'response', 'no method asked for')
})

t.test('without a policy, an origin, or leave for it there is nothing to say', async t => {
  t.equal(corsOf(routeOf({}), requestOf({ method: 'OPTIONS', headers: preflight })), undefined)
  t.equal(decide(policy, 'GET', []), undefined)
  t.equal(decide(policy, 'GET', ['origin', 'https://evil.a.test']), undefined)
  const other = ['origin', 'https://c.test', 'access-control-request-method', 'PUT']
  t.equal(decide(policy, 'OPTIONS', other), undefined, 'goes upstream')
  t.same(decide({ ...policy, unmatchedPreflights: 'IGNORE' }, 'OPTIONS', other), { kind: 'preflight', headers: [] })
})

t.test('`*` allows every origin, and gives back the headers asked for', async t => {
  const any = { allowOrigins: [{ exact: '*' }], allowHeaders: ['*'], allowMethods: ['*'] }
  const decision = decide(any, 'OPTIONS', [...preflight, 'access-control-request-headers', 'x-a,x-b'])
  t.same(decision?.headers, [
    ...['access-control-allow-origin', 'https://a.test', 'access-control-allow-methods', 'DELETE'],
    ...['access-control-allow-headers', 'x-a,x-b'],
  ])
})

t.test('redirects and direct responses know no cross-origin policy', async t => {
  t.equal(routeOf({ corsPolicy: policy, redirect: { uri: '/' } }).cors, undefined)
  t.equal(routeOf({ corsPolicy: policy, directResponse: { status: 200 } }).cors, undefined)
})
