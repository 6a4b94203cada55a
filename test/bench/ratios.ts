import type { Ratio, Row } from './types.ts'

export type Find = (scenario: string, subject: string) => Row | undefined

/** A figure to reach; names are those of the performance notes. */
export interface Goal {
  readonly name: string
  readonly atMost?: number
  readonly atLeast?: number
  /** Undefined when a row that it needs was not measured. */
  value(find: Find, rows: readonly Row[]): number | undefined
}

/** The larger of the two agents, whatever the load was. */
export const rssGoal: Goal = {
  name: 'agent RSS under load, one data thread',
  atMost: 110,
  value(_find, rows) {
    const sizes = rows.filter(row => row.subject === 'weft').map(row => row.rssMiB)
    return sizes.length === 0 ? undefined : Math.max(...sizes)
  },
}

/** The figures to reach, for which this run has what they need. */
export function ratiosOf(goals: readonly Goal[], rows: readonly Row[]): readonly Ratio[] {
  const find: Find = (scenario, subject) => rows.find(row => row.scenario === scenario && row.subject === subject)
  return goals.flatMap(({ name, atMost = Infinity, atLeast = -Infinity, value }) => {
    const found = value(find, rows)
    if (found === undefined) return []
    const goal = atMost === Infinity ? `>= ${atLeast}` : `<= ${atMost}`
    return [{ name, value: found, goal, met: found <= atMost && found >= atLeast }]
  })
}

/** Our CPU time per request over the other's. */
export function cpu(find: Find, scenario: string, other: string): number | undefined {
  return quotient(find, scenario, other, row => row.cpuUsPerRequestPerHop)
}

/** One figure of ours over the same of the other. */
export function quotient(find: Find, scenario: string, other: string, pick: (row: Row) => number): number | undefined {
  const [ours, theirs] = [find(scenario, 'weft'), find(scenario, other)]
  return ours && theirs && pick(ours) / pick(theirs)
}
