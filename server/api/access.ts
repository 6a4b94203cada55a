import { type Caller, demand } from '../access/caller.ts'
import { type Grant, type Need, permits } from '../access/grants.ts'
import type { AuditedChange } from '../audit/audit-entry.ts'

/** What a route needs of whoever calls it. */
export interface Access extends Pick<Need, 'verb' | 'of'> {
  /**
   * `mesh`: a role for the whole mesh. `path`: one for the namespace in the path. `filtered`: any such role, and only what
   * the caller may see is answered. `judged`: the route demands what it needs once it knows what is concerned, before it
   * changes anything.
   */
  readonly scope: 'mesh' | 'path' | 'filtered' | 'judged'
}

/** Who asks, for those who judge or trace parts of a request. */
export interface Writer {
  readonly name: string
  readonly grants: readonly Grant[]
  /** Throws WEFT_FORBIDDEN naming the role that is missing. */
  demand(need: Need): void
  /** Notes what was written, for the audit log. */
  wrote(change: AuditedChange): void
  /** Says that the request changes nothing, so that there is nothing to note. */
  wroteNothing(): void
}

/** What was noted of one request. */
export interface Trace {
  readonly changes: AuditedChange[]
  nothing: boolean
}

/** Throws WEFT_FORBIDDEN for a caller who cannot do anything at such a route, whatever is concerned. */
export function demandAccess(caller: Caller, access: Access, params: Readonly<Record<string, string>>): void {
  const { verb, of, scope } = access
  switch (scope) {
    case 'mesh':
      return demand(caller, { verb, of })
    case 'path':
      return demand(caller, { verb, of, namespace: params.namespace ?? '' })
    case 'filtered':
    case 'judged': {
      const somewhere = caller.grants.some(({ namespace }) => permits(caller.grants, needIn({ verb, of }, namespace)))
      if (!somewhere) demand(caller, { verb, of })
    }
  }
}

/** A {@link Writer} for a caller, which notes into `trace`. */
export function writerFor(caller: Caller, trace: Trace): Writer {
  return {
    name: caller.name,
    grants: caller.grants,
    demand: need => demand(caller, need),
    wrote(change) {
      trace.changes.push(change)
    },
    wroteNothing() {
      trace.nothing = true
    },
  }
}

function needIn(need: Need, namespace: string | undefined): Need {
  return namespace === undefined ? need : { ...need, namespace }
}
