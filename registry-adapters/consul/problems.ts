import type { RegistryProblem } from '../../mesh/model/catalogue.ts'

/** What is wrong in all services together. */
export interface Problems {
  /** Replaces the problems of one service; gives those of all in order, the same list when none has changed. */
  set(name: string, problems: readonly RegistryProblem[]): readonly RegistryProblem[]
}

/** No problem yet. A service without any costs nothing. */
export function createProblems(): Problems {
  const byService = new Map<string, readonly RegistryProblem[]>()
  let all: readonly RegistryProblem[] = []
  return {
    set(name, problems) {
      if (problems.length === 0 && !byService.has(name)) return all
      if (problems.length === 0) byService.delete(name)
      else byService.set(name, problems)
      all = [...byService.values()].flat().sort(byItem)
      return all
    },
  }
}

function byItem(a: RegistryProblem, b: RegistryProblem): number {
  return compare(a.item, b.item) || compare(a.reason, b.reason)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
