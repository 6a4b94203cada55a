import type { MeshError } from '../../../mesh/std/errors.ts'
import { createLineReader } from '../../lines.ts'
import type { NomadEventBatch, NomadEventsQuery } from './client.ts'
import { nomadError } from './errors.ts'
import { type Exchange, openExchange } from './exchange.ts'
import type { RequestDeps } from './request.ts'
import { eventsPathOf } from './url.ts'

/**
 * Follows `/v1/event/stream` (Nomad's "Events API" page): a line is `{"Index":N,"Events":[…]}`, or `{}` as heartbeat,
 * the first at once and then every 30 s. Nomad answers a stream that it denies with 200 and nothing at all.
 */
export async function* followEvents(
  query: NomadEventsQuery,
  deps: RequestDeps,
  signal: AbortSignal,
): AsyncGenerator<NomadEventBatch, void, undefined> {
  if (signal.aborted) return
  const path = eventsPathOf(query, deps.settings.region)
  let exchange: Exchange | undefined
  try {
    exchange = await openExchange(path, 'single', deps, signal)
    yield* batchesOf(exchange, path, deps)
  } catch (error) {
    if (signal.aborted) return
    deps.session.suspect()
    throw error
  } finally {
    exchange?.close()
  }
}

async function* batchesOf(
  exchange: Exchange,
  path: string,
  { settings }: RequestDeps,
): AsyncGenerator<NomadEventBatch> {
  const { answerMs, firstHeartbeatMs, silenceMs, maxLineBytes } = settings.limits
  const head = await exchange.head(answerMs)
  if (head.status !== 200) {
    await exchange.text(head)
    throw nomadError('bad-answer', 'nomad answers the event stream with another status', { path, status: head.status })
  }
  const reader = createLineReader(maxLineBytes)
  let established = false
  for (;;) {
    const [limitMs, late] = established ? [silenceMs, silent(path, silenceMs)] : [firstHeartbeatMs, refused(path)]
    const chunk = await exchange.chunk(limitMs, late)
    if (chunk === undefined) {
      if (!established) throw refused(path)()
      return
    }
    const lines = reader.push(chunk)
    if (lines === undefined) throw nomadError('bad-answer', 'an event of nomad is too large', { path, maxLineBytes })
    for (const line of lines) {
      if (line.trim() === '') continue
      established = true
      yield batchOf(line, path)
    }
  }
}

function batchOf(line: string, path: string): NomadEventBatch {
  const value = parse(line, path)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    if (Object.keys(value).length === 0) return { index: 0, events: [] }
    const { Index: index, Events: events }: { Index?: unknown; Events?: unknown } = value
    if (typeof index === 'number' && Number.isSafeInteger(index) && index >= 0 && Array.isArray(events)) {
      return { index, events }
    }
  }
  throw nomadError('bad-answer', 'a line of the event stream is no event', { path, said: line.slice(0, 100) })
}

function parse(line: string, path: string): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    const fields = { path, said: line.slice(0, 100) }
    throw nomadError('bad-answer', 'a line of the event stream is no json', fields, cause)
  }
}

const refused = (path: string) => (): MeshError =>
  nomadError('denied-or-dead', 'the event stream stays empty, as it does for a token without the right', { path })

const silent = (path: string, withinMs: number) => (): MeshError =>
  nomadError('denied-or-dead', 'the event stream has fallen silent: dead, or the token is no longer valid', {
    path,
    withinMs,
  })
