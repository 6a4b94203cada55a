import type { DataThreadReport, DryRunCount, EjectionReport, HttpSeriesReport, TcpSeries } from './messages.ts'

/** Adds up what the data threads have counted, label set by label set. */
export function addReports(reports: readonly DataThreadReport[]): DataThreadReport {
  const sum = (of: (report: DataThreadReport) => number) => reports.reduce((total, report) => total + of(report), 0)
  return {
    tcp: addTcp(reports.flatMap(report => report.tcp)),
    refused: addCounts(reports.flatMap(report => report.refused)),
    http: addHttp(reports.flatMap(report => report.http)),
    localReplies: addCounts(reports.flatMap(report => report.localReplies)),
    dryRuns: addDryRuns(reports.flatMap(report => report.dryRuns)),
    ejections: addEjections(reports.map(report => report.ejections)),
    gauges: {
      openConnections: sum(report => report.gauges.openConnections),
      pooledSessions: sum(report => report.gauges.pooledSessions),
      openStreams: sum(report => report.gauges.openStreams),
    },
    droppedLogLines: sum(report => report.droppedLogLines),
  }
}

function addTcp(all: readonly TcpSeries[]): readonly TcpSeries[] {
  const sums = new Map<string, TcpSeries>()
  for (const series of all) {
    const key = JSON.stringify(series.labels)
    const sum = sums.get(key)
    sums.set(key, sum === undefined ? series : addSeries(sum, series))
  }
  return [...sums.values()]
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

function addCounts(all: DataThreadReport['refused']): DataThreadReport['refused'] {
  const sums = new Map<string, DataThreadReport['refused'][number]>()
  for (const entry of all) {
    const key = `${entry.direction}|${entry.reason}`
    sums.set(key, { ...entry, count: entry.count + (sums.get(key)?.count ?? 0) })
  }
  return [...sums.values()]
}

function addDryRuns(all: readonly DryRunCount[]): readonly DryRunCount[] {
  const sums = new Map<string, DryRunCount>()
  for (const entry of all) {
    const key = `${entry.verdict} ${entry.policy}`
    sums.set(key, { ...entry, count: entry.count + (sums.get(key)?.count ?? 0) })
  }
  return [...sums.values()]
}

function addHttp(all: readonly HttpSeriesReport[]): readonly HttpSeriesReport[] {
  const sums = new Map<string, HttpSeriesReport>()
  for (const series of all) {
    const sum = sums.get(series.labels)
    if (sum === undefined) sums.set(series.labels, { labels: series.labels, values: series.values.slice() })
    else for (const [at, value] of series.values.entries()) sum.values[at] = (sum.values[at] ?? 0) + value
  }
  return [...sums.values()]
}

function addEjections(all: readonly EjectionReport[]): EjectionReport {
  const totals: Record<string, number> = {}
  for (const one of all) {
    for (const [cause, count] of Object.entries(one.totals)) totals[cause] = (totals[cause] ?? 0) + count
  }
  return { active: all.reduce((sum, one) => sum + one.active, 0), totals }
}
