import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { HttpTelemetry } from '../../../../agent/dataplane/telemetry/http-telemetry.ts'
import { openLogFile } from '../../../../agent/dataplane/telemetry/log-file.ts'
import { type PeerLabels, unknownPeer } from '../../../../agent/dataplane/telemetry/peer-labels.ts'
import { RequestRecord } from '../../../../agent/dataplane/telemetry/request-record.ts'
import { createSpanExporter } from '../../../../agent/telemetry/otlp.ts'
import { systemClock } from '../../../../mesh/std/clock.ts'
import { createLog } from '../../../../mesh/std/log.ts'
import { until } from '../../../support/eventually.ts'

interface Value {
  readonly stringValue?: string
  readonly intValue?: number | string
}
interface Attribute {
  readonly key: string
  readonly value: Value
}
interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly Attribute[]
}
interface Payload {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] }
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[]
  }[]
}

/** A collector on a port of its own, with what it got; it answers as it is told. */
async function aCollector(t: Test, port = 0) {
  const got: { readonly url: string | undefined; readonly type: string | undefined; readonly payload: Payload }[] = []
  const answer = { status: 200 }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      const payload = JSON.parse(Buffer.concat(chunks).toString())
      got.push({ url: request.url, type: request.headers['content-type'], payload })
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const spans = () => got.flatMap(({ payload }) => spansOf(payload))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, got, answer, spans }
}

function spansOf({ resourceSpans }: Payload) {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans.map(span => ({ ...span, ...attributesOf(span.attributes), of: resource }))),
  )
}

function attributesOf(list: readonly Attribute[]) {
  const values = list.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)] as const)
  return { values: Object.fromEntries(values) as Readonly<Record<string, string | number>> }
}

function anExporter(t: Test) {
  const lines: string[] = []
  const exporter = createSpanExporter(
    { log: createLog('info', { write: line => void lines.push(line) }), clock: systemClock },
    'h1',
    '1.2.3',
  )
  t.teardown(() => exporter.stop())
  return { exporter, lines }
}

/** One side's telemetry, whose spans go to the exporter. */
function aSide(exporter: ReturnType<typeof createSpanExporter>, otlpEndpoint: string) {
  const log = openLogFile(undefined, systemClock)
  const spans = (batch: Parameters<typeof exporter.add>[0]) => exporter.add(batch)
  const telemetry = new HttpTelemetry({ log, clock: systemClock, random: () => 0.5, spans })
  telemetry.configure({ tracing: { otlpEndpoint, sampling: 100 } })
  return telemetry
}

const web: PeerLabels = { ...unknownPeer, canonicalService: 'web', namespace: 'shop' }
const cart: PeerLabels = { ...unknownPeer, canonicalService: 'cart', namespace: 'shop' }

t.test('a collector gets the spans of both sides of a request, the server’s below the client’s', async t => {
  const collector = await aCollector(t)
  const { exporter } = anExporter(t)
  exporter.configure(collector.url)
  const [outbound, inbound] = [aSide(exporter, collector.url), aSide(exporter, collector.url)]
  const clock = systemClock
  const headers = [
    'x-request-id',
    'r-1',
    'tracestate',
    'vendor=1',
    'traceparent',
    `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  ]
  const out = new RequestRecord('outbound', clock.monotonic(), clock.now(), web, cart)
  Object.assign(out, {
    method: 'GET',
    authority: 'cart',
    path: '/x',
    status: 503,
    flags: 'UF',
    service: 'cart.shop.mesh',
  })
  Object.assign(out, { upstreamCluster: 'outbound|80||cart.shop.mesh' })
  outbound.trace(out, headers)
  const into = new RequestRecord('inbound', clock.monotonic(), clock.now(), web, cart)
  Object.assign(into, { status: 200, security: 'mutual_tls', upstreamCluster: 'inbound|8080||' })
  inbound.trace(into, headers)
  inbound.finish(into)
  outbound.finish(out)
  inbound.flush()
  outbound.flush()
  await until('both spans came', () => collector.spans().length === 2)

  t.match(collector.got[0], { url: '/v1/traces', type: 'application/json' })
  const server = collector.spans().find(span => span.kind === 2)
  const client = collector.spans().find(span => span.kind === 3)
  t.equal(client?.traceId, 'a'.repeat(32))
  t.equal(client?.parentSpanId, 'b'.repeat(16))
  t.equal(server?.traceId, client?.traceId)
  t.equal(server?.parentSpanId, client?.spanId, 'the server span hangs below the client span')
  t.not(server?.spanId, client?.spanId)
  t.equal(headers.at(-1), `00-${server?.traceId}-${server?.spanId}-01`, 'the application goes on below the server span')
  t.ok(BigInt(client?.endTimeUnixNano ?? 0) >= BigInt(client?.startTimeUnixNano ?? 1))
  t.ok(Math.abs(Number(BigInt(client?.startTimeUnixNano ?? 0) / 1_000_000n) - Date.now()) < 60_000, 'in nanoseconds')
  t.match(client?.values, {
    'http.method': 'GET',
    'http.url': 'http://cart/x',
    'http.status_code': 503,
    'guid:x-request-id': 'r-1',
    response_flags: 'UF',
    upstream_cluster: 'outbound|80||cart.shop.mesh',
    node_id: 'h1',
    'istio.canonical_service': 'web',
    'istio.namespace': 'shop',
  })
  t.equal(client?.name, 'cart.shop.mesh:80/*')
  t.match(attributesOf(client?.of.attributes ?? []).values, { 'service.name': 'web.shop', 'host.name': 'h1' })
  t.match(attributesOf(server?.of.attributes ?? []).values, { 'service.name': 'cart.shop' })
  t.equal(exporter.dropped(), 0)
})

t.test('without a collector spans go nowhere, and one that refuses them is said once', async t => {
  const collector = await aCollector(t)
  const { exporter, lines } = anExporter(t)
  const side = aSide(exporter, collector.url)
  const request = () => {
    const record = new RequestRecord('outbound', systemClock.monotonic(), systemClock.now(), web, cart)
    side.trace(record, [])
    side.finish(record)
    side.flush()
  }
  request()
  exporter.configure(collector.url)
  collector.answer.status = 400
  request()
  await until('the first was refused', () => exporter.dropped() === 1)
  request()
  await until('the second was refused', () => exporter.dropped() === 2)
  t.equal(lines.filter(line => line.includes('spans cannot be delivered and are lost')).length, 1)
  collector.answer.status = 200
  request()
  await until('it is noticed that all is well', () => lines.some(line => line.includes('spans are delivered again')))
  t.equal(collector.got.length, 3, 'what there was before it was known has gone nowhere')
})

t.test('what cannot be sent in time is given up and counted, and stopping waits for what is left', async t => {
  const collector = await aCollector(t)
  const { exporter } = anExporter(t)
  exporter.configure(`${collector.url}/otlp/`)
  const side = aSide(exporter, collector.url)
  for (let at = 0; at < 5000; at += 1) {
    const record = new RequestRecord('outbound', systemClock.monotonic(), systemClock.now(), web, cart)
    side.trace(record, [])
    side.finish(record)
  }
  side.flush()
  t.ok(exporter.dropped() > 0, `${exporter.dropped()} of 5000 were given up`)
  await exporter.stop()
  t.equal(collector.spans().length + exporter.dropped(), 5000)
  t.equal(collector.got[0]?.url, '/otlp/v1/traces')
  await exporter.stop()
})
