import { objectOf, text } from '../json.ts'
import { answerObject } from './answers.ts'

/** The last result of one native check, as `/v1/allocation/<id>/checks` tells it. */
export interface CheckResult {
  /** Of the service; the same for two registrations of one name. */
  readonly service: string
  readonly check: string
  /** Anything but the three known ones counts as a failure. */
  readonly status: 'success' | 'failure' | 'pending'
  /** What the check saw; may be a whole HTTP body. */
  readonly output: string
}

/** Reads the checks of an allocation, in one order; one without checks answers `null`. */
export function parseCheckResults(body: unknown): readonly CheckResult[] {
  if (body === null) return []
  return Object.values(answerObject(body, 'checks'))
    .map(objectOf)
    .map((entry): CheckResult => {
      const status = entry.Status === 'success' || entry.Status === 'pending' ? entry.Status : 'failure'
      return { service: text(entry.Service), check: text(entry.Check), status, output: text(entry.Output) }
    })
    .sort((a, b) => compare(a.service, b.service) || compare(a.check, b.check))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
