import { describeError } from '../../mesh/std/errors.ts'
import { firstLine } from '../quoted.ts'

/** What a plugin has thrown, which may be anything at all, as one line for status. */
export function describeThrown(thrown: unknown): string {
  try {
    return firstLine(describeError(thrown)) || 'it does not say why'
  } catch {
    return 'what it throws cannot be shown'
  }
}
