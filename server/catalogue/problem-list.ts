import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import { type Table, tableOf } from '../../mesh/std/table.ts'

/** Problems that are kept of one source: enough to act on, bounded against a registry full of nonsense. */
const maxProblems = 1000

/** Problems by what they are about. */
export interface ProblemList {
  /** Replaces the problems of one thing; none forgets it. */
  set(key: string, problems: readonly RegistryProblem[]): void
  /** All of them in the order of the keys, the same array as long as nothing changes. */
  readonly all: readonly RegistryProblem[]
}

/** A list without problems. */
export function createProblemList(): ProblemList {
  let byKey: Table<readonly RegistryProblem[]> = tableOf()
  let all: readonly RegistryProblem[] | undefined = []
  return {
    set(key, problems) {
      const next = byKey.with([[key, problems.length === 0 ? undefined : problems]])
      if (next === byKey) return
      byKey = next
      all = undefined
    },
    get all() {
      all ??= [...byKey.values()].flat()
      return all
    },
  }
}

/** The first thousand problems, and how many more there are. */
export function bounded(problems: readonly RegistryProblem[]): readonly RegistryProblem[] {
  if (problems.length <= maxProblems) return problems
  const more = problems.length - maxProblems
  return [...problems.slice(0, maxProblems), { item: 'registry', reason: `${more} further problems are not listed` }]
}
