import type { Ratio, Row, Scenario } from './types.ts'

/** The rows as tables, one for each load, and the ratios below: what `npm run bench -- l4` prints. */
export function formatReport(rows: readonly Row[], ratios: readonly Ratio[], scenarios: readonly Scenario[]): string {
  const parts = scenarios.map(scenario => {
    const lines = rows.filter(row => row.scenario === scenario.name).map(rowCells)
    return `${scenario.name}: ${scenario.describe}\n${align([head, ...lines])}`
  })
  if (ratios.length > 0) parts.push(align(ratios.map(ratioCells)))
  return parts.join('\n\n')
}

const head = ['', 'requests/s', 'µs/hop', '±%', 'machine µs', 'CPU s/GiB', 'p50 ms', 'p99 ms', 'RSS MiB', 'errors']

function rowCells(row: Row): string[] {
  const proxied = row.cpuUsPerRequestPerHop > 0
  return [
    `  ${row.subject}`,
    row.requestsPerSecond.toFixed(row.requestsPerSecond < 1000 ? 1 : 0),
    proxied ? row.cpuUsPerRequestPerHop.toFixed(1) : '-',
    (row.spread * 100).toFixed(0),
    row.machineUsPerRequest.toFixed(0),
    proxied && row.scenario === 'bulk' ? row.cpuSecondsPerGiB.toFixed(2) : '-',
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    proxied ? row.rssMiB.toFixed(0) : '-',
    String(row.errors),
  ]
}

function ratioCells({ name, value, goal, met }: Ratio): string[] {
  return [name, value.toFixed(2), goal, met ? 'met' : 'missed']
}

/** The first column to the left, the others to the right. */
function align(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map(row => row[at]?.length ?? 0)))
  const pad = (cell: string, at: number) => (at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0))
  return rows.map(row => row.map(pad).join('  ')).join('\n')
}
