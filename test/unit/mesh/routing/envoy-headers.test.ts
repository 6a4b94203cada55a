import t from 'tap'
import { timeoutOf } from '../../../../mesh/routing/decide.ts'
import { cleanRequest, setAttemptCount, setExpectedTimeout } from '../../../../mesh/routing/envoy-headers.ts'
import { fieldOf } from '../../../../mesh/routing/header-fields.ts'
import { headOf, routeOf } from '../../../support/compiled-routes.ts'

t.test('a client cannot say what only proxies may', async t => {
  const head = headOf('/', 'X-Envoy-Retry-On', '5xx', 'a', '1', 'x-envoy-upstream-rq-timeout-ms', '1')
  head.push('x-forwarded-client-cert', 'URI=spiffe://x', 'te', 'gzip', 'x-envoy-attempt-count', '7', 'b', '2')
  t.equal(cleanRequest(head, 'http'), 'http')
  t.same(head.slice(8), ['a', '1', 'b', '2', 'x-forwarded-proto', 'http'])
})

t.test('what a sidecar passes on stays', async t => {
  const kept = ['x-envoy-original-path', '/o', 'x-envoy-peer-metadata', 'm', 'x-request-id', 'r', 'TE', 'trailers']
  const head = headOf('/', ...kept)
  cleanRequest(head, 'http')
  t.same(head.slice(8, -2), kept)
})

t.test('the protocol that was forwarded is the scheme, if it is one', async t => {
  const scheme = (value: string, own = 'http') => {
    const head = headOf('/', 'X-Forwarded-Proto', value)
    const found = cleanRequest(head, own)
    t.same(head.slice(8), ['X-Forwarded-Proto', value], 'stays as it came')
    return found
  }
  t.equal(scheme('https'), 'https')
  t.equal(scheme('HTTPS'), 'https')
  t.equal(scheme('ftp'), 'http')
  t.equal(scheme('http', 'https'), 'https', 'the request’s own counts more')
})

t.test('each try is numbered, and told how long is left', async t => {
  const route = routeOf({ timeout: '1s', retries: { attempts: 2, perTryTimeout: '600ms' } })
  const head = headOf('/', 'x-envoy-attempt-count', '1', 'x-envoy-expected-rq-timeout-ms', '600')
  setAttemptCount(head, 2)
  setExpectedTimeout(route, head, false, 1000, 700)
  t.same(head.slice(8), ['x-envoy-attempt-count', '2', 'x-envoy-expected-rq-timeout-ms', '300'])
  setExpectedTimeout(route, head, true, 1000, 5000)
  t.same(head.slice(10), ['x-envoy-expected-rq-timeout-ms', '1', 'grpc-timeout', '1m'])
  const untimed = headOf('/')
  setExpectedTimeout(routeOf({}), untimed, false, undefined, 0)
  t.same(untimed, headOf('/'))
})

t.test('a try is told its own time again, whatever the try before it was told', async t => {
  const route = routeOf({ timeout: '10s', retries: { attempts: 2, perTryTimeout: '2s' } })
  const head = headOf('/', 'grpc-timeout', '8S')
  const totalMs = timeoutOf(route, head, true)
  const tries = [0, 2000, 7000].map(elapsedMs => {
    setExpectedTimeout(route, head, true, totalMs, elapsedMs)
    return fieldOf(head, 'grpc-timeout')
  })
  t.strictSame(tries, ['2000m', '2000m', '1000m'])
})
