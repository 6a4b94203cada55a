import type { Ratio, Row } from './types.ts'

type Find = (scenario: string, subject: string) => Row | undefined

interface Goal {
  readonly name: string
  readonly atMost?: number
  readonly atLeast?: number
  /** Undefined when a row that it needs was not measured. */
  value(find: Find, rows: readonly Row[]): number | undefined
}

/** Named as in the performance notes; each holds within one run only. */
const goals: readonly Goal[] = [
  { name: 'l4.cpu/haproxy-tcp', atMost: 1.2, value: find => cpu(find, 'keep-alive', 'haproxy-tcp') },
  { name: 'l4.cpu/envoy-hbone', atMost: 1.3, value: find => cpu(find, 'keep-alive', 'envoy-hbone') },
  {
    name: 'l4.connections/envoy-hbone',
    atLeast: 1.2,
    value: find => quotient(find, 'connections', 'envoy-hbone', row => row.requestsPerSecond),
  },
  { name: 'l4.bulk-cpu/envoy-hbone', atMost: 1.2, value: find => cpu(find, 'bulk', 'envoy-hbone') },
  {
    name: 'l4.p99-added/envoy-tcp',
    atMost: 3,
    value(find) {
      const direct = find('paced', 'direct')
      return direct && quotient(find, 'paced', 'envoy-tcp', row => row.p99Ms - direct.p99Ms)
    },
  },
  {
    name: 'agent RSS under load, one data thread',
    atMost: 110,
    value(_find, rows) {
      const sizes = rows.filter(row => row.subject === 'weft').map(row => row.rssMiB)
      return sizes.length === 0 ? undefined : Math.max(...sizes)
    },
  },
]

/** The figures to reach, for which this run has what they need. */
export function ratiosOf(rows: readonly Row[]): readonly Ratio[] {
  const find: Find = (scenario, subject) => rows.find(row => row.scenario === scenario && row.subject === subject)
  return goals.flatMap(({ name, atMost = Infinity, atLeast = -Infinity, value }) => {
    const found = value(find, rows)
    if (found === undefined) return []
    const goal = atMost === Infinity ? `>= ${atLeast}` : `<= ${atMost}`
    return [{ name, value: found, goal, met: found <= atMost && found >= atLeast }]
  })
}

function cpu(find: Find, scenario: string, other: string): number | undefined {
  return quotient(find, scenario, other, row => row.cpuUsPerRequestPerHop)
}

function quotient(find: Find, scenario: string, other: string, pick: (row: Row) => number): number | undefined {
  const [ours, theirs] = [find(scenario, 'weft'), find(scenario, other)]
  return ours && theirs && pick(ours) / pick(theirs)
}
