import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import { describeProblem } from '../../mesh/resources/problem.ts'
import type { FileText } from './read-file.ts'
import { emptyFile, parseRegistryFile, type RegistryFile } from './registry-file.ts'

/** The view of one file: its last good content, and what is wrong with what it holds now. */
export interface FileView {
  readonly content: RegistryFile
  readonly problems: readonly RegistryProblem[]
  /** What it was made from, to see whether there is anything new. */
  readonly source: FileText
}

/**
 * The view of a file that now holds `source`. A file with any problem keeps what it last said as a whole, so that no
 * half of an edit is used; one that was never good gives what is good of it.
 */
export function viewFile(name: string, source: FileText, last: FileView | undefined): FileView {
  if (last !== undefined && isSame(last.source, source)) return last
  if (source.kind === 'changing') return last ?? { content: emptyFile, problems: [], source }
  const kept = last?.content
  if (source.kind === 'failed') {
    return { content: kept ?? emptyFile, problems: [{ item: name, reason: source.reason }], source }
  }
  if (source.text.trim() === '') {
    // what an editor leaves for a moment when it writes a file anew; emptying is said by removing the file
    const reason = 'is empty, what it said before stays in use; remove the file to drop that'
    return { content: kept ?? emptyFile, problems: [{ item: `${name}:1:1`, reason }], source }
  }
  const { content, problems } = parseRegistryFile(source.text, name)
  const described = problems.map(problem => {
    return { item: `${problem.file}:${problem.line}:${problem.column}`, reason: describeProblem(problem) }
  })
  return { content: problems.length > 0 ? (kept ?? content) : content, problems: described, source }
}

function isSame(a: FileText, b: FileText): boolean {
  if (a.kind === 'text') return b.kind === 'text' && a.text === b.text
  return a.kind === 'failed' && b.kind === 'failed' && a.reason === b.reason
}
