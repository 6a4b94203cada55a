import type { DataThreadReport, TcpSeries } from './messages.ts'

/** Adds up what the data threads have counted, label set by label set. */
export function addReports(reports: readonly DataThreadReport[]): DataThreadReport {
  const tcp = new Map<string, TcpSeries>()
  const refused = new Map<string, DataThreadReport['refused'][number]>()
  for (const report of reports) {
    for (const series of report.tcp) {
      const key = JSON.stringify(series.labels)
      const sum = tcp.get(key)
      tcp.set(key, sum === undefined ? series : addSeries(sum, series))
    }
    for (const entry of report.refused) {
      const key = `${entry.direction}|${entry.reason}`
      refused.set(key, { ...entry, count: entry.count + (refused.get(key)?.count ?? 0) })
    }
  }
  const sum = (of: (report: DataThreadReport) => number) => reports.reduce((total, report) => total + of(report), 0)
  return {
    tcp: [...tcp.values()],
    refused: [...refused.values()],
    gauges: {
      openConnections: sum(report => report.gauges.openConnections),
      pooledSessions: sum(report => report.gauges.pooledSessions),
      openStreams: sum(report => report.gauges.openStreams),
    },
    droppedLogLines: sum(report => report.droppedLogLines),
  }
}

function addSeries(a: TcpSeries, b: TcpSeries): TcpSeries {
  return {
    labels: a.labels,
    opened: a.opened + b.opened,
    closed: a.closed + b.closed,
    sentBytes: a.sentBytes + b.sentBytes,
    receivedBytes: a.receivedBytes + b.receivedBytes,
  }
}
