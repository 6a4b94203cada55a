import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { type Clock, systemClock } from '../../mesh/std/clock.ts'
import { NomadCluster } from './nomad-cluster.ts'
import type { NomadFault } from './nomad-faults.ts'
import { NomadNodes } from './nomad-nodes.ts'
import { type FakeNomadRequest, readRequest } from './nomad-request.ts'
import { answer, type Outcome } from './nomad-routes.ts'
import { type NomadSnapshot, NomadState } from './nomad-state.ts'
import { NomadStreams, openHead } from './nomad-streams.ts'

export interface FakeNomadOptions {
  /** Listens there instead of a port. */
  readonly socketPath?: string
  readonly tls?: SecureContextOptions & { readonly requestCert?: boolean; readonly rejectUnauthorized?: boolean }
  /** For waits and heartbeats; the machine's own when left out. */
  readonly clock?: Clock
  readonly bufferSize?: number
  readonly heartbeatMs?: number
}

/** Nomad's HTTP API over {@link NomadState}, with a cluster that is driven by hand, and faults. */
export class FakeNomad {
  readonly state = new NomadState()
  readonly cluster = new NomadCluster(this.state)
  readonly nodes = new NomadNodes(this.cluster)
  readonly streams: NomadStreams
  readonly requests: FakeNomadRequest[] = []
  /** Decides what is wrong with a request; asked when it comes in, and again when it is released. */
  fault: (request: FakeNomadRequest) => NomadFault | undefined = () => undefined
  /** Whether the token of a request has the right to what it asks for. */
  allows: (request: FakeNomadRequest) => boolean = () => true
  /** Requests that have no whole answer yet, event streams among them, and the most there ever were at once. */
  open = 0
  mostOpen = 0
  readonly #clock: Clock
  readonly #options: FakeNomadOptions
  readonly #server: Server
  readonly #blocked = new Set<(regardless: boolean) => void>()

  private constructor(options: FakeNomadOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    const { bufferSize = 100, heartbeatMs = 30_000 } = options
    this.streams = new NomadStreams(this.state, { clock: this.#clock, bufferSize, heartbeatMs })
    const listener: RequestListener = (request, response) => this.#serve(request, response)
    this.#server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener)
    // Nomad leaves idle connections open.
    this.#server.keepAliveTimeout = 0
  }

  static async start(options: FakeNomadOptions = {}): Promise<FakeNomad> {
    const fake = new FakeNomad(options)
    if (options.socketPath === undefined) fake.#server.listen(0, '127.0.0.1')
    else fake.#server.listen(options.socketPath)
    await once(fake.#server, 'listening')
    return fake
  }

  /** As the client's option of that name takes it. */
  get address(): string {
    const { socketPath, tls } = this.#options
    if (socketPath !== undefined) return `unix://${socketPath}`
    const { port } = this.#server.address() as AddressInfo
    return `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  }

  /** Answers every query that is blocked, whether or not anything has changed. */
  release(): void {
    for (const look of [...this.#blocked]) look(true)
  }

  /** Brings a backup back: indexes go back, and streams fall silent until {@link NomadStreams.close}. */
  restore(snapshot: NomadSnapshot): void {
    this.streams.silent = true
    this.streams.forget()
    this.state.restore(snapshot)
  }

  /** Ends every connection, as a process does that is killed; new ones are accepted. */
  cut(): void {
    this.#server.closeAllConnections()
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  #serve(incoming: IncomingMessage, response: ServerResponse): void {
    if (incoming.method !== 'GET') return sendText(response, 405, 'Invalid method')
    const request = readRequest(incoming)
    if (typeof request === 'string') return sendText(response, 400, request)
    this.requests.push(request)
    this.open += 1
    this.mostOpen = Math.max(this.mostOpen, this.open)
    response.on('close', () => {
      this.open -= 1
    })
    if (request.path === '/v1/event/stream') return this.#serveStream(request, response)
    this.#serveQuery(request, response)
  }

  #serveStream(request: FakeNomadRequest, response: ServerResponse): void {
    const fault = this.fault(request)
    if (!this.allows(request) || fault?.kind === 'hang') return openHead(response)
    if (fault !== undefined) return this.#sendFault(fault, request, { kind: 'json', body: [] }, response)
    this.streams.serve(request, response)
  }

  #serveQuery(request: FakeNomadRequest, response: ServerResponse): void {
    const refused = this.allows(request) ? undefined : refusal(request)
    let latest = refused ?? answer(request, this.state)
    const done = () => {
      const fault = this.fault(request)
      if (fault === undefined) this.#send(latest, request, response)
      else this.#sendFault(fault, request, latest, response)
    }
    if (this.fault(request) !== undefined || !mustWait(latest, request)) return done()
    const look = (regardless: boolean) => {
      if (!regardless) latest = answer(request, this.state)
      if (!regardless && mustWait(latest, request) && this.fault(request) === undefined) return
      stopWaiting()
      if (!response.destroyed) done()
    }
    const unwatch = this.state.onChange(keys => {
      if (keys === undefined || latest.kind !== 'json' || latest.watch === undefined || keys.has(latest.watch))
        look(false)
    })
    // Nomad adds up to a sixteenth, so that many do not come back at once.
    const timer = this.#clock.timer(request.waitMs + request.waitMs / 32, () => look(true))
    const stopWaiting = () => {
      timer.cancel()
      unwatch()
      this.#blocked.delete(look)
    }
    this.#blocked.add(look)
    response.on('close', stopWaiting)
  }

  #send(outcome: Outcome, request: FakeNomadRequest, response: ServerResponse): void {
    if (outcome.kind === 'text') return sendText(response, outcome.status, outcome.body, metaHeaders(outcome.index))
    sendJson(response, request, outcome, outcome.body)
  }

  #sendFault(fault: NomadFault, request: FakeNomadRequest, outcome: Outcome, response: ServerResponse): void {
    const good = outcome.kind === 'json' ? outcome : { kind: 'json' as const, body: null }
    switch (fault.kind) {
      case 'status':
        return sendText(response, fault.status, fault.body ?? '', fault.headers)
      case 'empty':
        return sendJson(response, request, good, [])
      case 'half': {
        const items: readonly unknown[] = Array.isArray(good.body) ? good.body : []
        return sendJson(response, request, good, items.slice(0, Math.floor(items.length / 2)))
      }
      case 'index': {
        const { index: _, ...others } = good
        return sendJson(
          response,
          request,
          fault.index === undefined ? others : { ...others, index: fault.index },
          good.body,
        )
      }
      case 'no-leader':
        if (request.stale) return sendJson(response, request, { ...good, index: 1 }, [], noLeader)
        return void this.#clock.timer(fault.afterMs, () => sendText(response, 500, 'No cluster leader'))
      case 'raw':
        return void response.socket?.end(fault.bytes)
      case 'garbage':
        return sendBody(response, request, '[{"ServiceName":', good)
      case 'body':
        return sendJson(
          response,
          request,
          fault.index === undefined ? good : { ...good, index: fault.index },
          fault.body,
        )
      case 'hang':
        return
      case 'cut':
        if (!fault.midway) return void response.destroy()
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
        response.write('[{"Node"', () => response.destroy())
    }
  }
}

const noLeader = { 'X-Nomad-Knownleader': 'false', 'X-Nomad-Lastcontact': '9223372036854' }

function mustWait(outcome: Outcome, { index }: FakeNomadRequest): boolean {
  return index > 0 && outcome.kind === 'json' && outcome.index !== undefined && outcome.index <= index
}

/** What a token without the right gets: some of it looks like something else. */
function refusal({ path, namespace, parts }: FakeNomadRequest): Outcome {
  if (path === '/v1/services' && namespace === '*') return { kind: 'json', body: [], index: 1 }
  if (parts[1] === 'status') return { kind: 'json', body: '10.77.0.10:4647' }
  if (parts[1] === 'allocation' && parts.length === 3) {
    return { kind: 'text', status: 500, body: `Unknown allocation "${parts[2]}"` }
  }
  return { kind: 'text', status: 403, body: 'Permission denied' }
}

function metaHeaders(index: number | undefined): object {
  if (index === undefined) return {}
  return { 'X-Nomad-Index': String(index), 'X-Nomad-Knownleader': 'true', 'X-Nomad-Lastcontact': '0' }
}

function sendText(response: ServerResponse, status: number, body: string, headers: object = {}): void {
  const type = body === '' ? {} : { 'Content-Type': 'text/plain; charset=utf-8' }
  response.writeHead(status, { ...type, Vary: 'Accept-Encoding', ...headers })
  response.end(body)
}

type JsonOutcome = Extract<Outcome, { kind: 'json' }>

function sendJson(
  response: ServerResponse,
  request: FakeNomadRequest,
  outcome: JsonOutcome,
  body: unknown,
  headers: object = {},
): void {
  sendBody(response, request, JSON.stringify(body), outcome, headers)
}

function sendBody(
  response: ServerResponse,
  request: FakeNomadRequest,
  text: string,
  { index, nextToken, cacheControl }: JsonOutcome,
  headers: object = {},
): void {
  const compressed = request.gzip && text.length > 1400
  const body = compressed ? gzipSync(text) : Buffer.from(text)
  response.writeHead(200, {
    ...(cacheControl !== undefined && { 'Cache-Control': cacheControl }),
    'Content-Type': 'application/json',
    Vary: 'Accept-Encoding',
    ...metaHeaders(index),
    ...headers,
    ...(nextToken !== undefined && { 'X-Nomad-Nexttoken': nextToken }),
    ...(compressed && { 'Content-Encoding': 'gzip' }),
    ...(body.length < 2048 && { 'Content-Length': String(body.length) }),
  })
  response.end(body)
}
