import type { ServerResponse } from 'node:http'
import type { Clock, Timer } from '../../mesh/std/clock.ts'
import type { FakeNomadRequest } from './nomad-request.ts'
import type { NomadEvent, NomadState } from './nomad-state.ts'

interface Line {
  readonly index: number
  readonly events: readonly NomadEvent[]
}

interface Stream {
  readonly request: FakeNomadRequest
  readonly response: ServerResponse
  heartbeat: Timer | undefined
}

export interface StreamOptions {
  readonly clock: Clock
  /** How many entries with events are kept. */
  readonly bufferSize: number
  readonly heartbeatMs: number
}

/** `/v1/event/stream`: a buffer of the newest events, and those who follow it. */
export class NomadStreams {
  readonly #options: StreamOptions
  readonly #streams = new Set<Stream>()
  #buffer: Line[] = []
  /** While set, events are lost: neither sent nor kept. */
  dropping = false
  /** While set, nothing at all is sent, as by a server that has died behind a client agent. */
  silent = false

  constructor(state: NomadState, options: StreamOptions) {
    this.#options = options
    state.onEvents((index, events) => {
      if (this.dropping) return
      this.#buffer = [...this.#buffer, { index, events }].slice(-options.bufferSize)
      for (const stream of this.#streams) this.#sendEvents(stream, { index, events })
    })
  }

  get open(): number {
    return this.#streams.size
  }

  /** Begins with a heartbeat, then what the buffer has from the asked index on. */
  serve(request: FakeNomadRequest, response: ServerResponse): void {
    const bad = badTopic(request.query.getAll('topic'))
    if (bad !== undefined) {
      response.writeHead(400, { 'content-type': 'text/plain; charset=utf-8', vary: 'Accept-Encoding' })
      return void response.end(bad)
    }
    openHead(response)
    const stream: Stream = { request, response, heartbeat: undefined }
    this.#streams.add(stream)
    response.on('close', () => {
      stream.heartbeat?.cancel()
      this.#streams.delete(stream)
    })
    this.#beat(stream)
    for (const line of this.#replay(request.index)) this.#sendEvents(stream, line)
  }

  /** Ends every stream. */
  close(): void {
    for (const stream of [...this.#streams]) {
      // What happens before the connection is closed is not for this one any more.
      this.#streams.delete(stream)
      stream.heartbeat?.cancel()
      stream.response.end()
    }
  }

  /** Forgets what was: after a restart the buffer is empty. */
  forget(): void {
    this.#buffer = []
  }

  #replay(index: number): readonly Line[] {
    const newest = this.#buffer.at(-1)
    if (newest !== undefined && index > newest.index) return [newest]
    return this.#buffer.filter(line => line.index >= index)
  }

  #beat(stream: Stream): void {
    if (!this.silent) stream.response.write('{}\n')
    stream.heartbeat = this.#options.clock.timer(this.#options.heartbeatMs, () => this.#beat(stream))
  }

  #sendEvents({ request, response }: Stream, { index, events }: Line): void {
    if (this.silent) return
    const topics = request.query.getAll('topic')
    const Events = events.filter(event => wanted(event, topics, request.namespace))
    if (Events.length > 0) response.write(`${JSON.stringify({ Events, Index: index })}\n`)
  }
}

/** The head of a stream: no length, no chunks, no date; it is read until the connection closes. */
export function openHead(response: ServerResponse): void {
  response.sendDate = false
  response.useChunkedEncodingByDefault = false
  response.writeHead(200, {
    connection: 'close',
    'cache-control': 'no-cache',
    'content-type': 'application/json',
    vary: 'Accept-Encoding',
  })
  response.flushHeaders()
}

function wanted(event: NomadEvent, topics: readonly string[], namespace: string): boolean {
  if (event.Namespace !== '' && namespace !== '*' && event.Namespace !== namespace) return false
  if (topics.length === 0) return true
  return topics.some(topic => {
    const [name, key = '*'] = topic.split(':')
    if (name !== '*' && name !== event.Topic) return false
    return key === '*' || key === event.Key || (event.FilterKeys ?? []).includes(key)
  })
}

function badTopic(topics: readonly string[]): string | undefined {
  const bad = topics.find(topic => topic.split(':').length > 2)
  return bad === undefined
    ? undefined
    : `Invalid topic query: error parsing topics: Invalid key value pair for topic, topic: ${bad}`
}
