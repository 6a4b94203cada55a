import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import type { ConsulRegistration } from '../support/consul.ts'
import { FakeConsulState } from './consul-state.ts'

/** One request as it came in. */
export interface FakeRequest {
  /** `services`, `nodes`, `checks/<status>` or `service/<name>`. */
  readonly resource: string
  /** Absent for a read that does not block. */
  readonly index: bigint | undefined
  readonly stale: boolean
  readonly consistent: boolean
  readonly filter: string | undefined
  readonly namespace: string | undefined
  readonly partition: string | undefined
  readonly datacenter: string | undefined
  readonly token: string | undefined
}

/** What is wrong with an answer. */
export type Fault =
  /** Another status; `No cluster leader` is a 500 with that text. */
  | { readonly kind: 'status'; readonly status: number; readonly body?: string; readonly retryAfterS?: number }
  /** 200 and nothing in it, as for a token that may read nothing. */
  | { readonly kind: 'empty' }
  /** A good status with a body that is no JSON. */
  | { readonly kind: 'garbage' }
  /** Any JSON, under the right index or this one. */
  | { readonly kind: 'body'; readonly body: unknown; readonly index?: number }
  /** The right body under another `X-Consul-Index`; undefined sends none. */
  | { readonly kind: 'index'; readonly index: number | bigint | undefined }
  /** A follower without a leader, in `stale` mode. */
  | { readonly kind: 'no-leader' }
  /** Nothing, ever. */
  | { readonly kind: 'hang' }
  /** The connection ends, in the middle of a body when `midway`. */
  | { readonly kind: 'cut'; readonly midway: boolean }

/** Consul's HTTP API over {@link FakeConsulState}, with faults. */
export class FakeConsul {
  readonly state: FakeConsulState
  readonly requests: FakeRequest[] = []
  /** Decides what is wrong with a request; asked when it comes in, and again when it is released. */
  fault: (request: FakeRequest) => Fault | undefined = () => undefined
  /** How long a read that does not block takes. */
  delayMs = 0
  /** Requests that have no answer yet, and the most there ever were at once. */
  open = 0
  mostOpen = 0
  readonly #waiting = new Set<(regardless: boolean) => void>()
  readonly #server = createServer((request, response) => void this.#serve(request, response))

  private constructor(state: FakeConsulState) {
    this.state = state
  }

  /** On a free port; servers of one cluster share a state. */
  static async start(host = '127.0.0.1', state = new FakeConsulState()): Promise<FakeConsul> {
    const fake = new FakeConsul(state)
    fake.#server.listen(0, host)
    await once(fake.#server, 'listening')
    return fake
  }

  get address(): string {
    const { address, family, port } = this.#server.address() as AddressInfo
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
  }

  /** Changes the state and answers the queries that were waiting for that. */
  apply(change: () => void): void {
    change()
    for (const answer of [...this.#waiting]) answer(false)
  }

  /** Answers every query that is waiting, whether or not anything has changed. */
  release(): void {
    for (const answer of [...this.#waiting]) answer(true)
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

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', this.address)
    if (incoming.method === 'PUT') return this.#write(url.pathname, JSON.parse(await text(incoming)), response)
    const resource = resourceOf(url.pathname)
    if (resource === undefined) return void response.writeHead(404).end()
    const request = requestOf(resource, url.searchParams, incoming)
    this.requests.push(request)
    this.open += 1
    this.mostOpen = Math.max(this.mostOpen, this.open)
    response.on('close', () => {
      this.open -= 1
    })
    if (this.#mustWait(request)) await this.#wait(request, url.searchParams.get('wait') ?? '300s', response)
    else if (this.delayMs > 0) await setTimeout(this.delayMs)
    if (!response.destroyed) this.#answer(request, response)
  }

  #write(path: string, body: ConsulRegistration, response: ServerResponse): void {
    this.apply(() => (path === '/v1/catalog/register' ? this.state.register(body) : this.state.deregister(body)))
    json(response, true, {})
  }

  #mustWait(request: FakeRequest): boolean {
    return (
      request.index !== undefined &&
      request.index >= BigInt(this.state.index(request.resource)) &&
      this.fault(request) === undefined
    )
  }

  #wait(request: FakeRequest, wait: string, response: ServerResponse): Promise<void> {
    return new Promise(resolve => {
      const look = (regardless: boolean) => {
        if (!regardless && this.#mustWait(request)) return
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve()
      }
      const timer = globalThis.setTimeout(look, millisecondsOf(wait), true)
      timer.unref()
      this.#waiting.add(look)
      response.on('close', () => look(true))
    })
  }

  #answer(request: FakeRequest, response: ServerResponse): void {
    const fault = this.fault(request)
    const good = this.#read(request.resource)
    const headers = metaHeaders(this.state.index(request.resource), request)
    switch (fault?.kind) {
      case undefined:
        return json(response, good, headers)
      case 'status': {
        const retry = fault.retryAfterS === undefined ? {} : { 'retry-after': String(fault.retryAfterS) }
        response.writeHead(fault.status, { 'content-type': 'text/plain; charset=utf-8', ...retry })
        return void response.end(fault.body ?? '')
      }
      case 'empty':
        return json(response, Array.isArray(good) ? [] : {}, headers)
      case 'body':
        return json(response, fault.body, { ...headers, ...(fault.index && { 'x-consul-index': String(fault.index) }) })
      case 'garbage':
        response.writeHead(200, { 'content-type': 'application/json', ...headers })
        return void response.end('{"api": [')
      case 'index': {
        const { 'x-consul-index': _, ...others } = headers
        const index = fault.index === undefined ? {} : { 'x-consul-index': String(fault.index) }
        return json(response, good, { ...others, ...index })
      }
      case 'no-leader':
        return json(response, good, { ...headers, 'x-consul-knownleader': 'false' })
      case 'hang':
        return
      case 'cut':
        if (!fault.midway) return void response.destroy()
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000', ...headers })
        response.write('[{"Node"', () => response.destroy())
    }
  }

  #read(resource: string): unknown {
    if (resource === 'services') return this.state.services()
    if (resource === 'nodes') return this.state.nodes()
    const [kind, name = ''] = resource.split(/\/(.*)/s)
    return kind === 'checks' ? this.state.checks(name) : this.state.service(name)
  }
}

function resourceOf(path: string): string | undefined {
  if (path === '/v1/catalog/services') return 'services'
  if (path === '/v1/catalog/nodes') return 'nodes'
  const [, status] = /^\/v1\/health\/state\/([a-z]+)$/.exec(path) ?? []
  if (status !== undefined) return `checks/${status}`
  const [, name] = /^\/v1\/health\/service\/([^/]+)$/.exec(path) ?? []
  return name === undefined ? undefined : `service/${decodeURIComponent(name)}`
}

function requestOf(resource: string, query: URLSearchParams, incoming: IncomingMessage): FakeRequest {
  const index = BigInt(query.get('index') ?? 0)
  return {
    resource,
    index: index === 0n ? undefined : index,
    stale: query.has('stale'),
    consistent: query.has('consistent'),
    filter: query.get('filter') ?? undefined,
    namespace: query.get('ns') ?? undefined,
    partition: query.get('partition') ?? undefined,
    datacenter: query.get('dc') ?? undefined,
    token: incoming.headers['x-consul-token'] as string | undefined,
  }
}

function metaHeaders(index: number, request: FakeRequest): Record<string, string> {
  return {
    vary: 'Accept-Encoding',
    'x-consul-effective-consistency': request.stale ? 'stale' : 'leader',
    'x-consul-index': String(index),
    'x-consul-knownleader': 'true',
    'x-consul-lastcontact': '0',
  }
}

function json(response: ServerResponse, body: unknown, headers: Record<string, string>): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

function millisecondsOf(wait: string): number {
  const [, count = '0', unit = 's'] = /^(\d+)(ms|s|m)$/.exec(wait) ?? []
  return Number(count) * { ms: 1, s: 1000, m: 60_000 }[unit as 'ms' | 's' | 'm']
}
