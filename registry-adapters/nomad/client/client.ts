import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../../../mesh/std/clock.ts'
import { nomadError } from './errors.ts'
import { followEvents } from './events.ts'
import { checkOptions, type NomadOptions } from './options.ts'
import { listPages } from './pages.ts'
import { type RequestDeps, requestText } from './request.ts'
import { createSession } from './session.ts'
import { pathOf } from './url.ts'

/** One answer of Nomad, its body not looked at yet. */
export interface NomadAnswer {
  readonly body: unknown
  /** `X-Nomad-Index`: that of the whole table. 0 when it is missing, as for checks and agents. */
  readonly index: number
  /** False when the server that answered has no leader: its body may be old, or from an empty store. */
  readonly knownLeader: boolean
  /** How long ago the server that answered has heard from its leader; 0 for the leader itself. */
  readonly lastContactMs: number
  /** `X-Nomad-NextToken`: there are more pages. */
  readonly nextToken: string | undefined
}

/** Parameters of a read; whatever is left out is not sent. */
export interface NomadQuery {
  /** `default` to Nomad when left out; `*` for all, where the endpoint knows that. */
  readonly namespace?: string
  /** With an index above 0, Nomad holds the answer until its own is higher, or the wait is over. */
  readonly index?: number
  /** Longest wait of a blocking read, at most 5 minutes to Nomad; 60 s when left out. */
  readonly waitMs?: number
  /** Whether a server may answer that is not the leader. */
  readonly stale?: boolean
  /** Expression of go-bexpr over the items. */
  readonly filter?: string
  readonly perPage?: number
  readonly nextToken?: string
  /** Any others, such as `resources`. */
  readonly params?: Readonly<Record<string, string>>
}

/** One line of the event stream; index 0 and no events for a heartbeat. */
export interface NomadEventBatch {
  readonly index: number
  readonly events: readonly unknown[]
}

export interface NomadEventsQuery {
  /** `Service`, `Allocation:<key>` and the like. */
  readonly topics: readonly string[]
  /** `*` for all. */
  readonly namespace: string
  /** Events from this index on, it included, as far as Nomad still has them; all it has when left out. */
  readonly index?: number
}

/**
 * Nomad's HTTP API. Failures are WEFT_REGISTRY_UNAVAILABLE, and `failureOf` of errors.ts tells the kind; nothing is
 * repeated. After an abort a read rejects with the signal's reason.
 */
export interface NomadClient {
  /** One GET. `path` begins with a slash and has its names percent-encoded. */
  get(path: string, query: NomadQuery, signal: AbortSignal): Promise<NomadAnswer>
  /**
   * All pages of a list as one body, with the lowest index of them; only the first page blocks. Pages are of
   * different moments: an item that moves meanwhile can be missing or there twice, and the index tells.
   */
  list(path: string, query: NomadQuery, signal: AbortSignal): Promise<NomadList>
  /**
   * The event stream, one batch for a line, heartbeats included; the first one means that it is established. Ends when
   * Nomad ends it and when the signal aborts; throws `denied-or-dead` without a first heartbeat or after a long
   * silence. Holds a socket of its own until it has ended or is left.
   */
  events(query: NomadEventsQuery, signal: AbortSignal): AsyncIterable<NomadEventBatch>
  /** Ends every request and closes every socket. */
  close(): void
}

export interface NomadList extends NomadAnswer {
  readonly body: readonly unknown[]
}

/** A client for one address; opens nothing yet. Throws WEFT_CONFIG_INVALID for options that cannot be. */
export function createNomadClient(options: NomadOptions, { clock }: { readonly clock: Clock }): NomadClient {
  const settings = checkOptions(options)
  const session = createSession(settings, clock)
  const deps: RequestDeps = { session, settings, clock }

  const get: NomadClient['get'] = async (path, query, signal) => {
    const waitMs = blocks(query) ? (query.waitMs ?? settings.limits.waitMs) : 0
    const target = pathOf(path, { ...query, ...(waitMs > 0 && { waitMs }) }, settings.region)
    const { headers, text } = await requestText(target, waitMs, deps, signal)
    return { body: parse(text, target), ...metaOf(headers) }
  }

  return {
    get,
    list: (path, query, signal) => listPages(get, path, query, signal),
    events: (query, signal) => followEvents(query, deps, signal),
    close: () => session.close(),
  }
}

function blocks({ index = 0 }: NomadQuery): boolean {
  return index > 0
}

function parse(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw nomadError('bad-answer', 'the answer of nomad is no json', { path, said: text.slice(0, 100) }, cause)
  }
}

function metaOf(headers: IncomingHttpHeaders): Omit<NomadAnswer, 'body'> {
  const token = headers['x-nomad-nexttoken']
  return {
    index: numberOf(headers['x-nomad-index']),
    knownLeader: headers['x-nomad-knownleader'] !== 'false',
    lastContactMs: numberOf(headers['x-nomad-lastcontact']),
    nextToken: typeof token === 'string' && token !== '' ? token : undefined,
  }
}

function numberOf(header: string | string[] | undefined): number {
  return typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : 0
}
