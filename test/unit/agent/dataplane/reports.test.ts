import t from 'tap'
import type { DataThreadReport } from '../../../../agent/dataplane/messages.ts'
import { addReports } from '../../../../agent/dataplane/reports.ts'

const one: DataThreadReport = {
  tcp: [{ labels: { source_workload: 'web' }, opened: 1, closed: 2, sentBytes: 3, receivedBytes: 4 }],
  http: [{ labels: 'source_workload="web"', values: new Float64Array([1, 2, 3]) }],
  refused: [{ direction: 'inbound', reason: 'NO_ROUTE', count: 1 }],
  localReplies: [{ direction: 'outbound', reason: 'NO_CLUSTER', count: 5 }],
  dryRuns: [{ policy: 'AuthorizationPolicy default/api', verdict: 'denied', count: 1 }],
  ejections: { active: 1, totals: { 'consecutive-5xx': 2 } },
  gauges: { openConnections: 1, pooledSessions: 2, openStreams: 3 },
  droppedLogLines: 4,
}

t.test('what threads counted is added up by label set, and none of their reports is changed', async t => {
  const other: DataThreadReport = {
    ...one,
    tcp: [...one.tcp, { labels: { source_workload: 'db' }, opened: 1, closed: 0, sentBytes: 0, receivedBytes: 0 }],
    http: [{ labels: 'source_workload="db"', values: new Float64Array([7, 0, 0]) }, ...one.http],
    localReplies: [...one.localReplies, { direction: 'inbound', reason: 'NO_CLUSTER', count: 1 }],
    dryRuns: [...one.dryRuns, { policy: 'AuthorizationPolicy default/api', verdict: 'allowed', count: 2 }],
    ejections: { active: 0, totals: { 'consecutive-5xx': 1, 'consecutive-gateway-error': 1 } },
  }
  t.same(addReports([one, other]), {
    tcp: [
      { labels: { source_workload: 'web' }, opened: 2, closed: 4, sentBytes: 6, receivedBytes: 8 },
      { labels: { source_workload: 'db' }, opened: 1, closed: 0, sentBytes: 0, receivedBytes: 0 },
    ],
    http: [
      { labels: 'source_workload="web"', values: new Float64Array([2, 4, 6]) },
      { labels: 'source_workload="db"', values: new Float64Array([7, 0, 0]) },
    ],
    refused: [{ direction: 'inbound', reason: 'NO_ROUTE', count: 2 }],
    localReplies: [
      { direction: 'outbound', reason: 'NO_CLUSTER', count: 10 },
      { direction: 'inbound', reason: 'NO_CLUSTER', count: 1 },
    ],
    dryRuns: [
      { policy: 'AuthorizationPolicy default/api', verdict: 'denied', count: 2 },
      { policy: 'AuthorizationPolicy default/api', verdict: 'allowed', count: 2 },
    ],
    ejections: { active: 1, totals: { 'consecutive-5xx': 3, 'consecutive-gateway-error': 1 } },
    gauges: { openConnections: 2, pooledSessions: 4, openStreams: 6 },
    droppedLogLines: 8,
  })
  t.same(one.http[0]?.values, new Float64Array([1, 2, 3]))
})

t.test('threads that have nothing to say add up to nothing', async t => {
  t.match(addReports([]), { tcp: [], http: [], refused: [], ejections: { active: 0, totals: {} }, droppedLogLines: 0 })
})
