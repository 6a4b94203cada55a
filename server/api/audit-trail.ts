import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Caller } from '../access/caller.ts'
import type { AuditEntry } from '../audit/audit-entry.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { Trace } from './access.ts'
import { createRateLimit } from './rate-limit.ts'
import type { Route } from './route.ts'

export interface AuditTrailDeps {
  readonly audit: Pick<AuditLog, 'append'>
  readonly clock: Clock
  readonly log: Log
}

/** One request as it stands when it is noted. */
export interface Traced {
  readonly request: IncomingMessage
  readonly caller: Caller
  /** Undefined for a path that there is not, or that nobody has looked up yet. */
  readonly route: Route | undefined
  readonly trace: Trace
}

/** Notes what requests have done, or were not let do. */
export interface AuditTrail {
  /** Throws WEFT_STORE when it cannot be noted: then the change has happened, and the next waits for its trace. */
  done(traced: Traced): void
  /** Refusals of writes, and refusals for want of a role. Failing to note one refuses it all the same. */
  refused(traced: Traced, error: unknown): void
}

/** Refusals noted of one address: whoever knocks for ever is noted now and then. */
const refusalLimit = { perSecond: 5, maxSources: 1024 }

export function createAuditTrail({ audit, clock, log }: AuditTrailDeps): AuditTrail {
  const limit = createRateLimit(clock, refusalLimit)

  const entries = (traced: Traced, outcome: string, message?: string): readonly AuditEntry[] => {
    const { request, caller, route, trace } = traced
    const { changes } = trace
    const entry: AuditEntry = {
      at: clock.now(),
      who: caller.name,
      from: request.socket.remoteAddress ?? '',
      action: route === undefined ? `${request.method} of no route` : `${route.method} ${route.path}`,
      outcome,
      ...(message !== undefined && { message }),
    }
    return changes.length === 0 ? [entry] : changes.map(change => ({ ...entry, change }))
  }

  return {
    done(traced) {
      if (traced.route?.method !== 'GET' && !traced.trace.nothing) audit.append(entries(traced, 'done'))
    },
    refused(traced, error) {
      const code = error instanceof MeshError ? error.code : 'WEFT_STORE'
      if (traced.request.method === 'GET' && code !== 'WEFT_FORBIDDEN') return
      if (!limit.take(traced.request.socket.remoteAddress ?? '')) return
      try {
        audit.append(entries(traced, code, error instanceof MeshError ? error.message : 'the server failed'))
      } catch (cause) {
        log.error('a refusal could not be noted', { error: describeError(cause) })
      }
    },
  }
}
