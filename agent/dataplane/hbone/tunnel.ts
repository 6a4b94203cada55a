import type { Clock } from '../../../mesh/std/clock.ts'
import { h2Error } from '../h2/frames.ts'
import type { H2Stream, HeaderList } from '../h2/stream.ts'
import type { Reason } from '../reasons.ts'
import { streamCancel } from '../tcp/splice.ts'

export type TunnelResult = { readonly kind: 'open'; readonly stream: H2Stream } | SessionFailure

/** Why neither a tunnel nor a request got through. */
export interface SessionFailure {
  readonly kind: 'failed'
  readonly reason: Reason
  readonly detail: string
  /** The peer did not answer at all: the session itself is doubtful. */
  readonly silent?: boolean
  /** The peer has handled nothing of it: the same endpoint may be asked again, over another session. */
  readonly again?: boolean
}

const answerTimeoutMs = 10_000
/** Characters of a peer's own words that go into the access log. */
const maxDetail = 256
/** So long without an answer raises the question whether the peer is there at all; it has as long again to show that. */
const doubtMs = 1_500

/** What a tunnel wants to know of the session it is opened on. */
export interface TunnelSession {
  open(headers: HeaderList, endStream: boolean): H2Stream | undefined
  /** Bytes the peer has sent so far: any more of them is a sign of life. */
  readonly bytesHeard: number
  /** Asks the peer for a sign of life; asking again before it came costs nothing. */
  ask(): void
}

/** The response header in which an agent says why it refused: one of the reason codes, then a text. */
export const reasonHeader = 'weft-reason'

/** What an agent says of a tunnel that its workload's policies do not allow. */
const denied = 'AUTHORIZATION_DENIED'

/** The session has as many streams as it takes. */
export const noRoom: SessionFailure = {
  kind: 'failed',
  reason: 'UPSTREAM_CONNECT',
  detail: 'the session takes no more streams',
  again: true,
}

/**
 * Sends a CONNECT and waits for its answer. `done` is called once: with the open stream, whose callbacks are then the
 * caller's, or with the reason of the refusal. Nothing of the payload is sent before the peer agreed, so a refused
 * tunnel can be tried elsewhere: also when the peer has vanished, which is noticed long before the answer is overdue.
 */
export function openTunnel(
  session: TunnelSession,
  headers: HeaderList,
  clock: Clock,
  done: (result: TunnelResult) => void,
): void {
  const stream = session.open(headers, false)
  if (stream === undefined) {
    return done(noRoom)
  }
  const giveUp = (detail: string) => {
    stream.onReset = undefined
    stream.onHeaders = undefined
    stream.reset(streamCancel)
    done({ kind: 'failed', reason: 'UPSTREAM_CONNECT', detail, silent: true })
  }
  let timer = clock.timer(doubtMs, () => {
    const heard = session.bytesHeard
    session.ask()
    timer = clock.timer(doubtMs, () => {
      if (session.bytesHeard === heard) return giveUp(`the peer has been silent for ${(2 * doubtMs) / 1000} s`)
      const left = answerTimeoutMs - 2 * doubtMs
      timer = clock.timer(left, () => giveUp(`no answer to CONNECT within ${answerTimeoutMs / 1000} s`))
    })
  })
  stream.onReset = (code, reason) => {
    timer.cancel()
    done({ kind: 'failed', reason: 'UPSTREAM_RESET', detail: reason, again: code === h2Error.refusedStream })
  }
  stream.onHeaders = response => {
    const status = headerOf(response, ':status') ?? ''
    // Informational responses announce the answer (RFC 9110 section 15.2).
    if (status.startsWith('1')) return
    timer.cancel()
    stream.onHeaders = undefined
    stream.onReset = undefined
    if (status === '200') return done({ kind: 'open', stream })
    stream.reset(streamCancel)
    const why = headerOf(response, reasonHeader)
    if (why === denied) return done({ kind: 'failed', reason: denied, detail: '' })
    const detail = why === undefined ? `status ${status}` : why.slice(0, maxDetail)
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
