import t from 'tap'
import type { DataThreadReport } from '../../../../agent/dataplane/messages.ts'
import { HttpMetrics } from '../../../../agent/dataplane/telemetry/http-metrics.ts'
import { unknownPeer } from '../../../../agent/dataplane/telemetry/peer-labels.ts'
import { RequestRecord } from '../../../../agent/dataplane/telemetry/request-record.ts'
import { agentMetrics } from '../../../../agent/telemetry/definitions.ts'
import { type AgentFacts, createAgentMetrics } from '../../../../agent/telemetry/metrics.ts'

const report: DataThreadReport = {
  tcp: [
    {
      labels: { reporter: 'source', source_workload: 'web-1', source_address: '10.0.0.1', response_flags: '-' },
      opened: 3,
      closed: 2,
      sentBytes: 100,
      receivedBytes: 2_000,
    },
  ],
  gauges: { openConnections: 1, pooledSessions: 4, openStreams: 5 },
  refused: [{ direction: 'inbound', reason: 'NO_ROUTE', count: 7 }],
  http: requests(),
  localReplies: [{ direction: 'outbound', reason: 'NO_HTTP_ROUTE', count: 9 }],
  dryRuns: [{ policy: 'AuthorizationPolicy default/api', verdict: 'denied', count: 11 }],
  ejections: { active: 2, totals: { 'consecutive-5xx': 3 } },
  droppedLogLines: 8,
}

/** What a thread counts of two requests of gRPC. */
function requests(): DataThreadReport['http'] {
  const metrics = new HttpMetrics()
  for (const durationMs of [0.7, 42]) {
    const record = new RequestRecord('outbound', 0, 0, unknownPeer, { ...unknownPeer, workload: 'api-"1"' })
    Object.assign(record, { durationMs, status: 200, isGrpc: true, grpcStatus: 5, service: 'api.default.mesh' })
    Object.assign(record, { requestMessages: 1, responseMessages: 4, requestHeadBytes: 90, bytesReceived: 10 })
    metrics.add(record)
  }
  return metrics.report().http
}

const facts: AgentFacts = {
  version: '1.2.3',
  certificateSeconds: new Map([['spiffe://td/ns/a/sa/b', -5]]),
  configVersion: 12,
  rejectedResources: 1,
  serverConnected: false,
  captureRepairs: 2,
  ready: true,
  residentBytes: 1024,
  droppedSpans: 6,
}

t.test('shows what the threads and the control thread know, with the declared labels and no others', async t => {
  const page = await createAgentMetrics({ collect: async () => report, facts: () => facts }).render()
  const line = (name: string) => page.split('\n').find(one => one.startsWith(`${name}{`) || one.startsWith(`${name} `))
  const opened = line('istio_tcp_connections_opened_total') ?? ''
  t.match(opened, /source_workload="web-1"/)
  t.match(opened, /destination_principal="unknown"/)
  t.notMatch(opened, /10\.0\.0\.1/)
  t.match(opened, / 3$/)
  t.match(line('istio_tcp_connections_closed_total'), / 2$/)
  t.match(line('istio_tcp_received_bytes_total'), / 100$/, 'what the caller sent, the destination received')
  t.match(line('istio_tcp_sent_bytes_total'), / 2000$/)
  t.equal(
    line('weft_connections_refused_total'),
    'weft_connections_refused_total{direction="inbound",reason="NO_ROUTE"} 7',
  )
  t.equal(
    line('weft_certificate_seconds_to_expiry'),
    'weft_certificate_seconds_to_expiry{identity="spiffe://td/ns/a/sa/b"} -5',
  )
  t.equal(line('weft_server_connected'), 'weft_server_connected 0')
  t.equal(line('weft_build_info'), 'weft_build_info{version="1.2.3"} 1')
  for (const [name, { help, kind }] of Object.entries(agentMetrics)) {
    t.ok(page.includes(`# HELP ${name} ${help}`), name)
    t.ok(page.includes(`# TYPE ${name} ${kind}`), name)
    t.ok(line(kind === 'histogram' ? `${name}_count` : name), `${name} has a value`)
  }
})

t.test('requests are counted with Istio’s names, labels and buckets', async t => {
  const page = await createAgentMetrics({ collect: async () => report, facts: () => facts }).render()
  const lines = page.split('\n').filter(line => line.startsWith('istio_re'))
  const labels = /\{(.*?)(?:,le="[^"]*")?\} /
  for (const line of lines) {
    const names = [...(labels.exec(line)?.[1] ?? '').matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)].map(([, name]) => name)
    t.same(names.toSorted(), agentMetrics.istio_requests_total.labels.toSorted(), line.slice(0, 60))
  }
  const value = (name: string, le?: string) =>
    lines
      .find(line => line.startsWith(`${name}{`) && (le === undefined || line.includes(`,le="${le}"}`)))
      ?.split(' ')[1]
  t.equal(value('istio_requests_total'), '2')
  t.equal(value('istio_request_duration_milliseconds_bucket', '0.5'), '1', '0.7 ms is 0 whole ones')
  t.equal(value('istio_request_duration_milliseconds_bucket', '25'), '1')
  t.equal(value('istio_request_duration_milliseconds_bucket', '50'), '2', 'buckets count what is below, too')
  t.equal(value('istio_request_duration_milliseconds_bucket', '3600000'), '2')
  t.equal(value('istio_request_duration_milliseconds_bucket', '+Inf'), '2')
  t.equal(value('istio_request_duration_milliseconds_sum'), '42')
  t.equal(value('istio_request_bytes_sum'), '200')
  t.equal(value('istio_request_messages_total'), '2')
  t.equal(value('istio_response_messages_total'), '8')
  t.match(lines[0], /destination_workload="api-\\"1\\""/)
  t.match(lines[0], /request_protocol="grpc",response_code="200",grpc_response_status="5",response_flags="-"/)
  t.match(page, /^weft_agent_http_local_replies_total\{direction="outbound",reason="NO_HTTP_ROUTE"\} 9$/m)
  t.match(page, /^weft_agent_http_ejections_active 2$/m)
  t.match(page, /^weft_agent_http_ejections_total\{cause="consecutive-5xx"\} 3$/m)
})

t.test('Istio’s metrics have another first word where that is wanted, and ours keep their names', async t => {
  const page = await createAgentMetrics({ collect: async () => report, facts: () => facts }, 'mesh').render()
  t.notMatch(page, /istio_/)
  for (const name of ['mesh_requests_total', 'mesh_request_bytes_bucket', 'mesh_tcp_sent_bytes_total', 'weft_ready']) {
    t.match(page, new RegExp(`^${name}[{ ]`, 'm'))
  }
})

t.test('copies totals instead of adding them up, and forgets what is gone', async t => {
  let current = report
  const metrics = createAgentMetrics({ collect: async () => current, facts: () => facts })
  await metrics.render()
  const again = await metrics.render()
  t.match(again, /weft_connections_refused_total\{[^}]*\} 7\n/)
  current = { ...report, refused: [] }
  t.notMatch(await metrics.render(), /NO_ROUTE/)
})

t.test('collects once for scrapes at the same time', async t => {
  let collected = 0
  const metrics = createAgentMetrics({
    async collect() {
      collected += 1
      return report
    },
    facts: () => facts,
  })
  const [one, other] = await Promise.all([metrics.render(), metrics.render()])
  t.equal(one, other)
  t.equal(collected, 1)
  await metrics.render()
  t.equal(collected, 2)
})
