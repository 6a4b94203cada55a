import { isDeepStrictEqual } from 'node:util'
import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import { type Table, tableOf } from '../../mesh/std/table.ts'

/** Problems by what they come from, so that a change of one source costs what that source has. */
export interface ProblemBook {
  /** Replaces what a source says; nothing removes it. */
  set(source: string, problems: readonly RegistryProblem[]): void
  /** All problems, in the order of their sources; the same list as long as nothing has changed. */
  list(): readonly RegistryProblem[]
}

export function createProblemBook(): ProblemBook {
  let book: Table<readonly RegistryProblem[]> = tableOf()
  let flat: readonly RegistryProblem[] | undefined = []
  return {
    set(source, problems) {
      if (isDeepStrictEqual(book.get(source) ?? [], problems)) return
      book = book.with([[source, problems.length === 0 ? undefined : problems]])
      flat = undefined
    },
    list() {
      flat ??= [...book.values()].flat()
      return flat
    },
  }
}
