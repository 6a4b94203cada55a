import { headerOf, reasonHeader } from '../hbone/tunnel.ts'
import type { Reason } from '../reasons.ts'
import type { HeaderList } from './stream.ts'

/** Reasons of an endpoint's agent for which the application has seen nothing of the request. */
const undelivered: ReadonlySet<string> = new Set<Reason>([
  'LOCAL_CONNECT',
  'NOT_DECLARED',
  'WRONG_WORKLOAD',
  'DRAINING',
  'BAD_REQUEST',
])
/** Characters of a peer's own words that go into the access log. */
const maxDetail = 256

/**
 * Why an endpoint's agent has not handed a request to the application, in its own words and beginning with its reason;
 * undefined for the application's own answers, and for what the agent says of an application that it has reached.
 */
export function undeliveredBecause(response: HeaderList): string | undefined {
  const why = headerOf(response, reasonHeader)
  if (why === undefined) return undefined
  const end = why.indexOf(' ')
  return undelivered.has(end < 0 ? why : why.slice(0, end)) ? why.slice(0, maxDetail) : undefined
}
