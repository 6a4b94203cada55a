import t from 'tap'
import { type PeerLabels, unknownPeer } from '../../../../../agent/dataplane/telemetry/peer-labels.ts'
import { TcpMetrics } from '../../../../../agent/dataplane/telemetry/tcp-metrics.ts'

const api: PeerLabels = { ...unknownPeer, workload: 'api-1', principal: 'spiffe://td/ns/default/sa/api' }
const key = (source: PeerLabels) => ({
  reporter: 'destination' as const,
  source,
  destination: api,
  service: 'api.default.mesh',
  serviceName: 'api',
  serviceNamespace: 'default',
  security: 'mutual_tls' as const,
})
const caller = (principal: string, workload: string): PeerLabels => ({ ...unknownPeer, principal, workload })

t.test('a peer that invents workloads is counted under its identity, and leaves room for the others', async t => {
  const metrics = new TcpMetrics()
  for (let at = 0; at < 20_000; at += 1) metrics.counters(key(caller('evil', `w-${at}`))).opened += 1
  metrics.counters(key(caller('web', 'web-1'))).opened += 1
  const { tcp } = metrics.report()
  t.ok(tcp.length < 600, `${tcp.length} series`)
  t.equal(
    tcp.reduce((sum, series) => sum + series.opened, 0),
    20_001,
    'nothing is lost',
  )
  t.ok(tcp.every(({ labels }) => ['evil', 'web'].includes(labels.source_principal ?? '')))
  t.match(tcp.at(-1), { opened: 1, labels: { source_principal: 'web', source_workload: 'web-1' } })
})

t.test('the number of series is bounded whoever calls', async t => {
  const metrics = new TcpMetrics()
  for (let at = 0; at < 12_000; at += 1) metrics.counters(key(caller(`p-${at}`, 'w'))).opened += 1
  t.ok(metrics.report().tcp.length <= 10_001)
})
