import t from 'tap'
import type { FinishedSpan } from '../../../../../agent/dataplane/messages.ts'
import { HttpTelemetry } from '../../../../../agent/dataplane/telemetry/http-telemetry.ts'
import { openLogFile } from '../../../../../agent/dataplane/telemetry/log-file.ts'
import { unknownPeer } from '../../../../../agent/dataplane/telemetry/peer-labels.ts'
import { RequestRecord } from '../../../../../agent/dataplane/telemetry/request-record.ts'
import { FakeClock } from '../../../../fakes/clock.ts'

const web = { ...unknownPeer, canonicalService: 'web', namespace: 'shop' }

function traced() {
  const clock = new FakeClock()
  const batches: (readonly FinishedSpan[])[] = []
  const spans = (batch: readonly FinishedSpan[]) => void batches.push(batch)
  const telemetry = new HttpTelemetry({ log: openLogFile(undefined, clock), clock, random: () => 0.5, spans })
  const request = (changes: Partial<RequestRecord> = {}, headers: string[] = []) => {
    const record = new RequestRecord('outbound', clock.monotonic(), clock.now(), web, unknownPeer)
    telemetry.trace(record, headers)
    telemetry.finish(Object.assign(record, { status: 200 }, changes))
  }
  return { clock, batches, telemetry, request }
}

const all = { tracing: { otlpEndpoint: 'http://127.0.0.1:4318', sampling: 100 } }

t.test('traced requests are handed on once a second, or sooner when there are many', async t => {
  const { clock, batches, telemetry, request } = traced()
  telemetry.configure(all)
  request()
  request()
  t.equal(batches.length, 0)
  await clock.advance(1000)
  t.same(
    batches.map(batch => batch.length),
    [2],
  )
  for (let at = 0; at < 300; at += 1) request()
  t.equal(batches[1]?.length, 256)
  telemetry.flush()
  t.equal(batches[2]?.length, 44, 'nothing is left behind when the agent stops')
  telemetry.flush()
  await clock.advance(5000)
  t.equal(batches.length, 3)
})

t.test('without an endpoint nothing is traced, and with one a hundredth', async t => {
  const { batches, telemetry, request } = traced()
  request({}, ['traceparent', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`])
  telemetry.configure({ tracing: { otlpEndpoint: 'http://127.0.0.1:4318' } })
  request()
  telemetry.flush()
  t.equal(batches.length, 0)
  telemetry.configure(all)
  request()
  telemetry.flush()
  t.equal(batches.length, 1)
})

t.test('a span says what Istio’s say', async t => {
  const { clock, batches, telemetry, request } = traced()
  telemetry.configure(all)
  const cluster = 'outbound|80|v1|cart.shop.mesh'
  request({ service: 'cart.shop.mesh', upstreamCluster: cluster, authority: 'cart', path: '/a?b', method: 'GET' })
  request({ status: 503, flags: 'UH', reason: 'NO_HEALTHY_ENDPOINT', rule: 'VirtualService shop/cart http[0]' })
  request({ isGrpc: true, grpcStatus: 5 })
  telemetry.flush()
  const [fine, failed, grpc] = batches[0] ?? []
  t.match(fine, { kind: 'client', name: 'cart.shop.mesh:80/*', startedAt: clock.now(), isError: false, parentId: '' })
  t.match(fine?.attributes, {
    'http.method': 'GET',
    'http.url': 'http://cart/a?b',
    'http.status_code': 200,
    response_flags: '-',
    upstream_cluster: cluster,
    'istio.canonical_service': 'web',
    'istio.namespace': 'shop',
  })
  t.match(failed, { isError: true, name: 'unknown/*' })
  t.match(failed?.attributes, { response_flags: 'UH', 'weft.reason': 'NO_HEALTHY_ENDPOINT' })
  t.match(grpc, { isError: true, attributes: { 'grpc.status_code': 5 } })
})
