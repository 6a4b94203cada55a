import t from 'tap'
import { HttpMetrics } from '../../../../../agent/dataplane/telemetry/http-metrics.ts'
import { type PeerLabels, unknownPeer } from '../../../../../agent/dataplane/telemetry/peer-labels.ts'
import { RequestRecord } from '../../../../../agent/dataplane/telemetry/request-record.ts'

const api: PeerLabels = { ...unknownPeer, workload: 'api-1', principal: 'spiffe://td/ns/default/sa/api' }
const web: PeerLabels = { ...unknownPeer, workload: 'web-1', principal: 'spiffe://td/ns/default/sa/web' }

function request(changes: Partial<RequestRecord> = {}, source = web, destination = api): RequestRecord {
  const record = new RequestRecord('outbound', 0, 0, source, destination)
  return Object.assign(record, { status: 200, service: 'api.default.mesh', security: 'mutual_tls' }, changes)
}

/** Requests that were counted, by their labels. */
function counted(metrics: HttpMetrics): Map<string, number> {
  // Every request has a duration of nothing: the first bucket.
  return new Map(metrics.report().http.map(({ labels, values }) => [labels, values[2] ?? 0]))
}

t.test(
  'requests of the same peers and outcome are one series, and each difference that labels show is another',
  async t => {
    const metrics = new HttpMetrics()
    const kinds: readonly Partial<RequestRecord>[] = [
      {},
      { status: 503 },
      { status: 503, flags: 'UH' },
      { isGrpc: true, grpcStatus: 0 },
      { isGrpc: true, grpcStatus: 14 },
      { isGrpc: true, grpcStatus: -1 },
      { security: 'none' },
      { status: 0, flags: 'DC' },
    ]
    for (const times of [1, 2, 3])
      for (const kind of kinds) for (let at = 0; at < times; at += 1) metrics.add(request(kind))
    const series = counted(metrics)
    t.equal(series.size, kinds.length)
    for (const [labels, count] of series) t.equal(count, 6, labels)
    const outcomes = [...series.keys()].map(labels => labels.slice(labels.indexOf('request_protocol')))
    t.same(outcomes.slice(0, 5), [
      'request_protocol="http",response_code="200",grpc_response_status="",response_flags="-"',
      'request_protocol="http",response_code="503",grpc_response_status="",response_flags="-"',
      'request_protocol="http",response_code="503",grpc_response_status="",response_flags="UH"',
      'request_protocol="grpc",response_code="200",grpc_response_status="0",response_flags="-"',
      'request_protocol="grpc",response_code="200",grpc_response_status="14",response_flags="-"',
    ])
  },
)

t.test('who reports, and what nobody answered, are told apart by direction and service', async t => {
  const metrics = new HttpMetrics()
  for (const service of ['a.mesh', 'b.mesh', 'a.mesh', 'b.mesh']) {
    const [serviceName] = service.split('.')
    metrics.add(request({ service, ...(serviceName !== undefined && { serviceName }), status: 503 }, web, unknownPeer))
  }
  metrics.add(Object.assign(new RequestRecord('inbound', 0, 0, web, api), { status: 200 }))
  const labels = [...counted(metrics)].map(([text, count]) => [
    /reporter="(\w+)"/.exec(text)?.[1],
    /destination_service="([\w.]+)"/.exec(text)?.[1],
    count,
  ])
  t.same(labels, [
    ['source', 'a.mesh', 2],
    ['source', 'b.mesh', 2],
    ['destination', 'unknown', 1],
  ])
})

t.test('statuses that an upstream invents do not become labels without end', async t => {
  const metrics = new HttpMetrics()
  for (let status = 100; status < 1000; status += 1) metrics.add(request({ status }))
  for (let grpcStatus = 0; grpcStatus < 1000; grpcStatus += 1) metrics.add(request({ isGrpc: true, grpcStatus }))
  metrics.add(request({ status: 1e9 }))
  metrics.add(request({ isGrpc: true, grpcStatus: Number.NaN }))
  const series = counted(metrics)
  t.ok(series.size <= 51, `${series.size} series`)
  t.equal(
    [...series.values()].reduce((sum, count) => sum + count, 0),
    1902,
    'nothing is lost',
  )
  t.ok([...series.keys()].some(labels => labels.includes('response_code="unknown"')))
})

t.test('the number of series is bounded whoever calls, and whomever is called', async t => {
  const metrics = new HttpMetrics()
  const many = (name: string) => ({ ...unknownPeer, principal: name, workload: 'w' })
  for (let at = 0; at < 3000; at += 1) metrics.add(request({}, many(`p-${at}`)))
  for (let at = 0; at < 3000; at += 1) metrics.add(request({}, web, many(`p-${at}`)))
  for (let status = 200; status < 600; status += 1) metrics.add(request({ status }, many('p-1')))
  const series = counted(metrics)
  t.ok(series.size <= 2010, `${series.size} series`)
  t.equal(
    [...series.values()].reduce((sum, count) => sum + count, 0),
    6400,
    'nothing is lost',
  )
  const [last] = [...series].filter(([labels]) =>
    /source_workload="unknown".*destination_workload="unknown"/.test(labels),
  )
  t.match(last?.[0], /destination_service="api.default.mesh"/, 'what there is too much of is told apart by service')
})

t.test('what the agent answered itself is counted by reason besides', async t => {
  const metrics = new HttpMetrics()
  const refused = { status: 503, reason: 'NO_HEALTHY_ENDPOINT', codeDetails: 'no_healthy_upstream' } as const
  metrics.add(request(refused))
  metrics.add(request(refused))
  metrics.add(request({ codeDetails: 'via_upstream' }))
  metrics.add(request({ reason: 'UPSTREAM_RESET', codeDetails: 'via_upstream' }))
  metrics.add(request({ status: 0, reason: 'CLIENT_RESET', codeDetails: 'downstream_remote_disconnect' }))
  t.same(metrics.report().localReplies, [{ direction: 'outbound', reason: 'NO_HEALTHY_ENDPOINT', count: 2 }])
})
