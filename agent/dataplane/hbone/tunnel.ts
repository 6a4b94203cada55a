import type { Clock } from '../../../mesh/std/clock.ts'
import type { H2Connection } from '../h2/connection.ts'
import type { H2Stream, HeaderList } from '../h2/stream.ts'
import type { Reason } from '../reasons.ts'
import { streamCancel } from '../tcp/splice.ts'

export type TunnelResult =
  | { readonly kind: 'open'; readonly stream: H2Stream }
  | {
      readonly kind: 'failed'
      readonly reason: Reason
      readonly detail: string
      /** The peer did not answer at all: the session itself is doubtful. */
      readonly silent?: boolean
    }

const answerTimeoutMs = 10_000

/** The response header in which an agent says why it refused: one of the reason codes, then a text. */
export const reasonHeader = 'weft-reason'

/**
 * Sends a CONNECT and waits for its answer. `done` is called once: with the open stream, whose callbacks are then the
 * caller's, or with the reason of the refusal. Nothing of the payload is sent before the peer agreed, so a refused
 * tunnel can be tried elsewhere.
 */
export function openTunnel(
  connection: H2Connection,
  headers: HeaderList,
  clock: Clock,
  done: (result: TunnelResult) => void,
): void {
  const stream = connection.open(headers, false)
  if (stream === undefined) {
    return done({ kind: 'failed', reason: 'UPSTREAM_CONNECT', detail: 'the session takes no more streams' })
  }
  const timer = clock.timer(answerTimeoutMs, () => {
    stream.onReset = undefined
    stream.onHeaders = undefined
    stream.reset(streamCancel)
    const detail = `no answer to CONNECT within ${answerTimeoutMs / 1000} s`
    done({ kind: 'failed', reason: 'UPSTREAM_CONNECT', detail, silent: true })
  })
  stream.onReset = (_code, reason) => {
    timer.cancel()
    done({ kind: 'failed', reason: 'UPSTREAM_RESET', detail: reason })
  }
  stream.onHeaders = response => {
    timer.cancel()
    stream.onHeaders = undefined
    stream.onReset = undefined
    const status = headerOf(response, ':status')
    if (status === '200') return done({ kind: 'open', stream })
    stream.reset(streamCancel)
    const why = headerOf(response, reasonHeader)
    const detail = why === undefined ? `status ${status}` : why
    done({ kind: 'failed', reason: 'CONNECT_REFUSED', detail })
  }
}

/** The first value of a header, by its lower-case name. */
export function headerOf(headers: HeaderList, name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at] === name) return headers[at + 1]
  }
  return undefined
}
