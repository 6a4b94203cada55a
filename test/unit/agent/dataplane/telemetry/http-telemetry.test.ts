import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { HttpTelemetry } from '../../../../../agent/dataplane/telemetry/http-telemetry.ts'
import { openLogFile } from '../../../../../agent/dataplane/telemetry/log-file.ts'
import { unknownPeer } from '../../../../../agent/dataplane/telemetry/peer-labels.ts'
import { RequestRecord } from '../../../../../agent/dataplane/telemetry/request-record.ts'
import { FakeClock } from '../../../../fakes/clock.ts'

const startedAt = Date.UTC(2026, 10, 22, 10, 58, 0, 7)

/** One request through a log of its own; its line. */
async function lineOf(folder: string, encoding: 'TEXT' | 'JSON', changes: Partial<RequestRecord>): Promise<string> {
  const clock = new FakeClock(startedAt)
  const file = join(folder, 'access.log')
  const log = openLogFile(file, clock)
  const telemetry = new HttpTelemetry({ log, clock, random: () => 0, spans: () => {} }, encoding)
  const web = { ...unknownPeer, principal: 'spiffe://td/ns/shop/sa/web' }
  const record = new RequestRecord('outbound', clock.monotonic(), clock.now(), web, unknownPeer)
  await clock.advance(12.7)
  telemetry.finish(Object.assign(record, changes))
  await log.stop()
  return readFileSync(file, 'utf8')
}

const answered: Partial<RequestRecord> = {
  method: 'GET',
  path: '/cart?user=7',
  authority: 'cart',
  requestId: '5b0f6a1e-0000-4000-8000-000000000001',
  userAgent: 'curl/8.5 (x)',
  forwardedFor: '10.0.0.9',
  status: 200,
  codeDetails: 'via_upstream',
  routeName: 'default',
  rule: 'VirtualService shop/cart http[1]',
  bytesReceived: 0,
  bytesSent: 1024,
  upstreamServiceMs: 11.2,
  upstreamHost: '10.77.0.2:8080',
  upstreamCluster: 'outbound|80||cart.shop.mesh',
  upstreamLocalAddress: '10.77.0.1:40000',
  downstreamLocalAddress: '240.240.0.1:80',
  downstreamRemoteAddress: '10.77.0.1:50000',
}

t.test('a request is a line in Istio’s text format, with the reason and the rule at its end', async t => {
  t.equal(
    await lineOf(t.testdir(), 'TEXT', answered),
    '[2026-11-22T10:58:00.007Z] "GET /cart?user=7 HTTP/1.1" 200 - via_upstream - "-" 0 1024 12 11 "10.0.0.9" ' +
      '"curl/8.5 (x)" "5b0f6a1e-0000-4000-8000-000000000001" "cart" "10.77.0.2:8080" outbound|80||cart.shop.mesh ' +
      '10.77.0.1:40000 240.240.0.1:80 10.77.0.1:50000 - default OK "VirtualService shop/cart http[1]"\n',
  )
})

t.test('what is absent is a dash in text, and null in JSON', async t => {
  t.equal(
    await lineOf(t.testdir(), 'TEXT', { flags: 'UF,URX', reason: 'UPSTREAM_CONNECT' }),
    '[2026-11-22T10:58:00.007Z] "- - HTTP/1.1" 0 UF,URX - - "-" 0 0 12 - "-" "-" "-" "-" "-" - - - - - - ' +
      'UPSTREAM_CONNECT "-"\n',
  )
  const json = JSON.parse(await lineOf(t.testdir(), 'JSON', {}))
  t.match(json, { method: null, path: null, upstream_host: null, route_name: null, upstream_service_time: null })
  t.match(json, { response_code: 0, response_flags: '-', duration: 12, weft_reason: 'OK', weft_rule: null })
})

t.test('a request is a line of JSON with Istio’s keys, and ours', async t => {
  t.same(JSON.parse(await lineOf(t.testdir(), 'JSON', { ...answered, detail: 'why' })), {
    start_time: '2026-11-22T10:58:00.007Z',
    method: 'GET',
    path: '/cart?user=7',
    protocol: 'HTTP/1.1',
    response_code: 200,
    response_flags: '-',
    response_code_details: 'via_upstream',
    connection_termination_details: null,
    upstream_transport_failure_reason: null,
    bytes_received: 0,
    bytes_sent: 1024,
    duration: 12,
    upstream_service_time: '11',
    x_forwarded_for: '10.0.0.9',
    user_agent: 'curl/8.5 (x)',
    request_id: '5b0f6a1e-0000-4000-8000-000000000001',
    authority: 'cart',
    upstream_host: '10.77.0.2:8080',
    upstream_cluster: 'outbound|80||cart.shop.mesh',
    upstream_local_address: '10.77.0.1:40000',
    downstream_local_address: '240.240.0.1:80',
    downstream_remote_address: '10.77.0.1:50000',
    requested_server_name: null,
    route_name: 'default',
    weft_source: 'spiffe://td/ns/shop/sa/web',
    weft_destination: null,
    weft_direction: 'outbound',
    weft_reason: 'OK',
    weft_rule: 'VirtualService shop/cart http[1]',
    weft_detail: 'why',
  })
})

const nasty = '"}\n200 - "x"\r\t\u001b[2J\u009b2J\u007f\u2028\\'
const outside = ['method', 'path', 'forwardedFor', 'userAgent', 'requestId', 'authority', 'requestedServerName']
const inside = ['codeDetails', 'terminationDetails', 'transportFailure', 'upstreamCluster', 'routeName', 'rule']

t.test('nothing that a caller sends can forge a line, end a field, or steer a terminal', async t => {
  for (const field of [...outside, ...inside]) {
    const text = await lineOf(t.testdir(), 'TEXT', { ...answered, [field]: nasty })
    t.match(text, /^[\x20-\x7e]+\n$/, `${field}: one line of visible characters`)
    const parts = text.match(/"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^\s"]+/g)
    t.equal(parts?.length, 24, `${field}: as many columns as ever`)
    const json = await lineOf(t.testdir(), 'JSON', { ...answered, [field]: nasty })
    t.match(json, /^[\x20-\x7e]+\n$/, `${field}: one line of visible characters`)
    t.ok(Object.values(JSON.parse(json)).includes(nasty), `${field}: it can be read back`)
  }
})

t.test('counts what it logs', async t => {
  const clock = new FakeClock(startedAt)
  const log = openLogFile(undefined, clock)
  const telemetry = new HttpTelemetry({ log, clock, random: () => 0, spans: () => {} })
  telemetry.finish(new RequestRecord('inbound', clock.monotonic(), clock.now(), unknownPeer, unknownPeer))
  t.equal(telemetry.metrics.report().http.length, 1)
})

t.test('what lines have in common is told of no request that differs in it', async t => {
  const other: Partial<RequestRecord> = {
    method: 'POST',
    status: 503,
    codeDetails: 'upstream_reset',
    flags: 'UF',
    protocol: 'HTTP/2',
    terminationDetails: 'ended',
    transportFailure: 'refused',
    forwardedFor: '10.0.0.8',
    userAgent: 'wget',
    authority: 'basket',
    source: { ...unknownPeer, principal: 'spiffe://td/ns/shop/sa/other' },
    upstreamHost: '10.77.0.3:8080',
    upstreamCluster: 'outbound|80||basket.shop.mesh',
    downstreamLocalAddress: '240.240.0.2:80',
    requestedServerName: 'basket',
    routeName: 'other',
    destination: { ...unknownPeer, principal: 'spiffe://td/ns/shop/sa/basket' },
    reason: 'UPSTREAM_RESET',
    rule: 'VirtualService shop/basket http[0]',
  }
  const plain = JSON.parse(await lineOf(t.testdir(), 'JSON', answered))
  for (const [field, value] of Object.entries(other)) {
    const changed = JSON.parse(await lineOf(t.testdir(), 'JSON', { ...answered, [field]: value }))
    const differ = Object.keys(plain).filter(key => changed[key] !== plain[key])
    t.equal(differ.length, 1, field)
    t.same(JSON.parse(await lineOf(t.testdir(), 'JSON', answered)), plain, `${field}: and back`)
  }
})
