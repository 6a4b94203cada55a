import t from 'tap'
import type { DataThreadReport } from '../../../../agent/dataplane/messages.ts'
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
  droppedLogLines: 8,
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
    t.ok(line(name), `${name} has a value`)
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
