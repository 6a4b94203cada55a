import { HttpMetrics } from '../../agent/dataplane/telemetry/http-metrics.ts'
import { HttpTelemetry } from '../../agent/dataplane/telemetry/http-telemetry.ts'
import { type LogFile, openLogFile } from '../../agent/dataplane/telemetry/log-file.ts'
import { type PeerLabels, unknownPeer } from '../../agent/dataplane/telemetry/peer-labels.ts'
import { RequestRecord } from '../../agent/dataplane/telemetry/request-record.ts'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'

/**
 * What being seen costs a request: its id and trace context, its metrics, its line in the access log.
 * Prints CPU microseconds of the whole process per request, the best of some rounds.
 * `node test/bench/log-micro.ts [requests per round]`.
 */

const requests = Number(process.argv[2] ?? 200_000)
const rounds = 5

const peer = (name: string): PeerLabels => ({ ...unknownPeer, workload: `${name}-1`, namespace: 'shop' })
const web = peer('web')
const endpoints = Array.from({ length: 8 }, (_, at) => peer(`cart-${at}`))
const names = [
  ':method',
  'GET',
  ':scheme',
  'http',
  ':authority',
  'cart',
  ':path',
  '/',
  'accept',
  '*/*',
  'user-agent',
  'x',
]

/** A record as the request path fills it in; nothing of it is made for the next request. */
function aRecord(at: number): RequestRecord {
  const destination = endpoints[at % endpoints.length] ?? unknownPeer
  const record = new RequestRecord('outbound', systemClock.monotonic(), systemClock.now(), web, destination)
  record.method = 'GET'
  record.path = '/api/v1/products?id=1234567'
  record.authority = 'cart.shop.mesh'
  record.userAgent = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'
  record.requestId = '5b0f6a1e-0000-4000-8000-000000000001'
  record.status = 200
  record.codeDetails = 'via_upstream'
  record.routeName = 'default'
  record.rule = 'VirtualService shop/cart http[1]'
  record.bytesSent = 1024
  record.responseHeadBytes = 180
  record.requestHeadBytes = 220
  record.upstreamServiceMs = 3
  record.upstreamHost = '10.77.0.2:8080'
  record.upstreamCluster = 'outbound|80|v1|cart.shop.mesh'
  record.upstreamLocalAddress = '10.77.0.1:40000'
  record.downstreamLocalAddress = '240.240.0.1:80'
  record.downstreamRemoteAddress = '10.77.0.1:50000'
  record.service = 'cart.shop.mesh'
  record.security = 'mutual_tls'
  return record
}

type Step = (record: RequestRecord) => void

const none: LogFile = openLogFile(undefined, systemClock)
const telemetryOf = (log: LogFile, encoding: 'TEXT' | 'JSON') =>
  new HttpTelemetry({ log, clock: systemClock, random: systemRandom, spans: () => {} }, encoding)

/** One step over many records, several times; the best round. */
async function measure(name: string, step: Step): Promise<void> {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round += 1) {
    const before = process.cpuUsage()
    for (let at = 0; at < requests; at += 1) {
      step(aRecord(at))
      // Writes happen between turns of the event loop, as they do in a data thread.
      if (at % 20 === 0) await new Promise<void>(resolve => setImmediate(resolve))
    }
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / requests)
  }
  console.log(`${name.padEnd(44)} ${best.toFixed(2).padStart(6)} µs`)
}

async function withLog(name: string, encoding: 'TEXT' | 'JSON'): Promise<void> {
  // What a disk does is not of this.
  const log = openLogFile('/dev/null', systemClock)
  const telemetry = telemetryOf(log, encoding)
  await measure(name, record => telemetry.finish(record))
  console.log(`  lines given up: ${log.dropped()}`)
  await log.stop()
}

await measure('the record alone', () => {})
const metrics = new HttpMetrics()
await measure('record and metrics', record => metrics.add(record))
const traced = telemetryOf(none, 'TEXT')
traced.configure({ tracing: { otlpEndpoint: 'http://127.0.0.1:4318' } })
await measure('record and id, one in a hundred traced', record => traced.trace(record, names.slice()))
const kept = [...names, 'x-request-id', 'r-1', 'traceparent', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`]
await measure('record and id of the caller, not traced', record => traced.trace(record, kept.slice()))
await withLog('record, metrics and line of text', 'TEXT')
await withLog('record, metrics and line of JSON', 'JSON')
