import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../../../mesh/std/clock.ts'
import { failureOf } from './errors.ts'
import { type Exchange, openExchange } from './exchange.ts'
import type { NomadSettings } from './options.ts'
import type { Session } from './session.ts'

export interface RequestDeps {
  readonly session: Session
  readonly settings: NomadSettings
  readonly clock: Clock
}

/** An answer with a good status. */
export interface TextAnswer {
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/**
 * One GET, the whole answer: Nomad may take `waitMs` longer than otherwise, and by its own rule a sixteenth more.
 * Throws WEFT_REGISTRY_UNAVAILABLE of some {@link NomadFailure} for everything that is no good answer, and the
 * signal's reason once that has aborted.
 */
export async function requestText(
  path: string,
  waitMs: number,
  deps: RequestDeps,
  signal: AbortSignal,
): Promise<TextAnswer> {
  const headMs = deps.settings.limits.answerMs + waitMs + waitMs / 16
  try {
    for (let attempt = 1; ; attempt += 1) {
      const exchange = await openExchange(path, 'pooled', deps, signal)
      try {
        return await readAnswer(exchange, headMs)
      } catch (error) {
        // That the other side had closed a kept socket is no failure of its own, and reading twice does no harm; but
        // what was held and broke may be held by a server that has begun anew.
        if (signal.aborted || attempt > 1 || waitMs > 0 || !exchange.stale(error)) throw error
      } finally {
        exchange.close()
      }
    }
  } catch (error) {
    signal.throwIfAborted()
    if (failureOf(error) !== 'not-found') deps.session.suspect()
    throw error
  }
}

async function readAnswer(exchange: Exchange, headMs: number): Promise<TextAnswer> {
  const head = await exchange.head(headMs)
  return { headers: head.headers, text: await exchange.text(head) }
}
