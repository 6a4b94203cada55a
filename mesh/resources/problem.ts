import { MeshError } from '../std/errors.ts'

/**
 * Why a document was refused: `invalid` breaks a rule (Istio's, or one of ours that is stricter), `unknown` names
 * something that does not exist, `unimplemented` is fine for Istio but not done by Weft yet.
 */
export type ProblemReason = 'invalid' | 'unknown' | 'unimplemented'

/** One thing wrong with one document, at its place in the file. */
export interface ResourceProblem {
  readonly reason: ProblemReason
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units. */
  readonly column: number
  /** Way to the field, as `spec.ports[0].number`; empty for the document itself. */
  readonly path: string
  /** Lower case, no full stop; reads on after the path. */
  readonly message: string
  /** The word that was probably meant. */
  readonly didYouMean?: string
}

/** `file:line:column: path: message, did you mean x?`, as compilers write it. */
export function formatProblem(problem: ResourceProblem): string {
  const where = `${problem.file}:${problem.line}:${problem.column}`
  return `${where}: ${describeProblem(problem)}`
}

/** The problem without its place. */
export function describeProblem(problem: ResourceProblem): string {
  const field = problem.path === '' ? '' : `${problem.path}: `
  const hint = problem.didYouMean === undefined ? '' : `, did you mean ${problem.didYouMean}?`
  return `${field}${problem.message}${hint}`
}

/** Problems as one error for an operator: the first in the message, all of them in `fields.problems`. */
export function problemsError(problems: readonly ResourceProblem[]): MeshError {
  const [first] = problems
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''
  const message = first === undefined ? 'the document is not valid' : `${formatProblem(first)}${more}`
  return new MeshError('WEFT_RESOURCE_INVALID', message, { fields: { problems: problems.map(formatProblem) } })
}

/** Writes a path as `spec.ports[0].number`; keys that are no plain words are put in brackets. */
export function formatPath(path: readonly (string | number)[]): string {
  return path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`
    if (!/^[A-Za-z_][\w-]*$/.test(step)) return `${text}[${JSON.stringify(step)}]`
    return text === '' ? step : `${text}.${step}`
  }, '')
}
