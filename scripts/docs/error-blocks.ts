import { exitCodeOf } from '../../cli/exit-codes.ts'
import { type ErrorCode, errorCatalogue } from '../../mesh/std/error-catalogue.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { prose } from './markdown.ts'

/** A section for every error code, in the catalogue's order. */
export function errorSections(): string {
  return Object.keys(errorCatalogue)
    .map(code => section(code as ErrorCode))
    .join('\n\n')
}

function section(code: ErrorCode): string {
  const { when, next } = errorCatalogue[code]
  const exit = exitCodeOf(new MeshError(code, ''))
  return [`### ${code}`, '', prose(when), '', `Next: ${prose(next)}. Exit status of \`weft\`: ${exit}.`].join('\n')
}
