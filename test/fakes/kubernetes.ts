import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { type Selection, selects } from './kubernetes-selectors.ts'
import { type ApiObject, type Change, FakeKubernetesState, resources } from './kubernetes-state.ts'

/** One request as it came in. */
export interface FakeRequest {
  readonly verb: 'list' | 'watch'
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly namespace: string | undefined
  readonly query: URLSearchParams
  readonly accept: string
  readonly authorization: string | undefined
}

/** What is wrong with an answer. */
export type Fault =
  /** A Status of the API server. */
  | { readonly kind: 'status'; readonly code: number; readonly message?: string; readonly retryAfterS?: number }
  /** 200 with a text that is no JSON. */
  | { readonly kind: 'garbage' }
  /** 200 with any JSON. */
  | { readonly kind: 'body'; readonly body: unknown }
  /** Nothing, ever: no status even. */
  | { readonly kind: 'hang' }
  /** The connection ends, in the middle of a body when `midway`. */
  | { readonly kind: 'cut'; readonly midway: boolean }

/** A watch that is open. */
export interface OpenWatch {
  readonly request: FakeRequest
  /** Writes anything at all into the stream. */
  write(text: string): void
  /** Ends the stream as the API server does after its timeout. */
  end(): void
  /** Ends the connection under it. */
  cut(): void
}

/** Kubernetes' list and watch over {@link FakeKubernetesState}, after "API Concepts" of its documentation, with faults. */
export class FakeKubernetes {
  readonly state = new FakeKubernetesState()
  readonly requests: FakeRequest[] = []
  readonly watches = new Set<OpenWatch>()
  /** Decides what is wrong with a request; asked when it comes in. */
  fault: (request: FakeRequest) => Fault | undefined = () => undefined
  /** RBAC: whether a request is allowed. */
  allows: (request: FakeRequest) => boolean = () => true
  /** The bearer token that has to come with each request. */
  token: string | undefined
  /** Versions of Istio's networking API; none where its resources are not installed. */
  istioVersions: readonly string[] = ['v1', 'v1beta1', 'v1alpha3']
  /** How a watch from a version that is gone is told: within the stream, or as its status. */
  goneAs: 'event' | 'status' = 'event'
  /** Whether each watch ends as soon as it has begun. */
  endsWatches = false
  /** How many more continued lists meet an expired token. */
  expiringPages = 0
  /** Objects of one page, whatever was asked. */
  maxPage = Number.POSITIVE_INFINITY
  readonly #pages = new Map<string, { readonly version: number; readonly items: readonly ApiObject[] }>()
  readonly #tell = new Set<(change: Change) => void>()
  readonly #server: http.Server | https.Server

  private constructor(tls: https.ServerOptions | undefined) {
    const serve = (request: IncomingMessage, response: ServerResponse) => this.#serve(request, response)
    this.#server = tls === undefined ? http.createServer(serve) : https.createServer(tls, serve)
  }

  static async start(tls?: https.ServerOptions): Promise<FakeKubernetes> {
    const fake = new FakeKubernetes(tls)
    fake.#server.listen(0, '127.0.0.1')
    await once(fake.#server, 'listening')
    return fake
  }

  get address(): string {
    const scheme = this.#server instanceof https.Server ? 'https' : 'http'
    return `${scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  put(...objects: readonly ApiObject[]): void {
    for (const object of objects) this.#announce(this.state.put(object))
  }

  remove(kind: string, key: string): void {
    const change = this.state.remove(kind, key)
    if (change !== undefined) this.#announce(change)
  }

  /** Sends a bookmark into every watch that takes them. */
  bookmark(): void {
    for (const watch of this.watches) {
      if (watch.request.query.get('allowWatchBookmarks') !== 'true') continue
      const metadata = { resourceVersion: String(this.state.version), creationTimestamp: null }
      watch.write(`${JSON.stringify({ type: 'BOOKMARK', object: { ...typeOf(watch.request), metadata } })}\n`)
    }
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

  #announce(change: Change): void {
    for (const tell of [...this.#tell]) tell(change)
  }

  #serve(incoming: IncomingMessage, response: ServerResponse): void {
    const request = requestOf(incoming)
    if (request === undefined || !this.#serves(request)) return void notFound(response)
    this.requests.push(request)
    const fault = this.fault(request)
    if (fault !== undefined) return break_(response, fault)
    if (this.token !== undefined && request.authorization !== `Bearer ${this.token}`) {
      return status(response, 401, 'Unauthorized', 'Unauthorized')
    }
    if (!this.allows(request)) return status(response, 403, 'Forbidden', forbidden(request))
    try {
      if (request.verb === 'list') this.#list(request, response)
      else this.#watch(request, response)
    } catch (error) {
      status(response, 400, 'BadRequest', String(error))
    }
  }

  #serves({ group, version, resource }: FakeRequest): boolean {
    const known = Object.values(resources).find(one => one.group === group && one.resource === resource)
    return known !== undefined && (group === 'networking.istio.io' ? this.istioVersions : ['v1']).includes(version)
  }

  #list(request: FakeRequest, response: ServerResponse): void {
    const { query, resource } = request
    const limit = Math.min(Number(query.get('limit') ?? 0) || Number.POSITIVE_INFINITY, this.maxPage)
    const token = query.get('continue') ?? ''
    const expired = token !== '' && (this.expiringPages > 0 || !this.#pages.has(token))
    if (expired) {
      this.expiringPages -= 1
      const words = 'The provided continue parameter is too old to display a consistent list result.'
      return status(response, 410, 'Expired', words, { metadata: { continue: 'inconsistent' } })
    }
    const page = this.#pages.get(token) ?? {
      version: this.state.version,
      items: this.state.all(resource).filter(object => selects(selectionOf(request), object)),
    }
    const rest = page.items.slice(limit)
    const next = rest.length === 0 ? '' : Buffer.from(`${page.version} ${this.#pages.size}`).toString('base64url')
    if (next !== '') this.#pages.set(next, { version: page.version, items: rest })
    const list = typeOf(request)
    json(response, {
      kind: `${list.kind}List`,
      apiVersion: list.apiVersion,
      metadata: { resourceVersion: String(page.version), ...(next !== '' && { continue: next }) },
      items: page.items.slice(0, limit).map(object => represent(object, request, false)),
    })
  }

  #watch(request: FakeRequest, response: ServerResponse): void {
    const from = Number(request.query.get('resourceVersion'))
    const words = `too old resource version: ${from} (${this.state.compacted})`
    const gone = from < this.state.compacted
    if (gone && this.goneAs === 'status') return status(response, 410, 'Expired', words)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    if (gone) {
      const object = statusOf(410, 'Expired', words)
      return void response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`)
    }
    const send = (change: Change) => {
      const event = eventOf(change, request)
      if (event !== undefined && !response.writableEnded) response.write(`${JSON.stringify(event)}\n`)
    }
    for (const change of this.state.since(request.resource, from)) send(change)
    if (this.endsWatches) return void response.end()
    const watch: OpenWatch = {
      request,
      write: text => void (response.writableEnded || response.write(text)),
      end: () => void response.end(),
      cut: () => void response.socket?.destroy(),
    }
    const timer = setTimeout(watch.end, Number(request.query.get('timeoutSeconds') ?? 3600) * 1000)
    timer.unref()
    this.watches.add(watch)
    this.#tell.add(send)
    response.on('close', () => {
      clearTimeout(timer)
      this.watches.delete(watch)
      this.#tell.delete(send)
    })
  }
}

const pathPattern = /^\/(?:api\/(v1)|apis\/([^/]+)\/([^/]+))(?:\/namespaces\/([^/]+))?\/([a-z]+)$/

function requestOf({ url = '/', headers, method }: IncomingMessage): FakeRequest | undefined {
  const { pathname, searchParams: query } = new URL(url, 'http://localhost')
  const match = pathPattern.exec(pathname)
  if (match === null || method !== 'GET') return undefined
  const [, core, group = '', version = core ?? '', namespace, resource = ''] = match
  const verb = query.get('watch') === 'true' ? 'watch' : 'list'
  const { accept = '', authorization } = headers
  return { verb, group, version, resource, namespace, query, accept, authorization }
}

/** What a request restricts itself to. */
export function selectionOf({ namespace, query }: FakeRequest): Selection {
  return { namespace, labels: query.get('labelSelector') ?? '', fields: query.get('fieldSelector') ?? '' }
}

/** An object that stops being selected is deleted to the watch, one that starts to be is added. */
function eventOf({ version, resource, before, now }: Change, request: FakeRequest): object | undefined {
  if (resource !== request.resource) return undefined
  const selection = selectionOf(request)
  const was = before !== undefined && selects(selection, before)
  const is = now !== undefined && selects(selection, now)
  const type = is ? (was ? 'MODIFIED' : 'ADDED') : was ? 'DELETED' : undefined
  const object = is ? now : before
  if (type === undefined || object === undefined) return undefined
  const told = { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } }
  return { type, object: represent(told, request, true) }
}

function wantsMetadata({ accept }: FakeRequest): boolean {
  return /as=PartialObjectMetadata(?:List)?;g=meta\.k8s\.io;v=v1/.test(accept)
}

function typeOf(request: FakeRequest): { readonly kind: string; readonly apiVersion: string } {
  if (wantsMetadata(request)) return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' }
  const [kind = ''] = Object.entries(resources).find(([, one]) => one.resource === request.resource) ?? []
  return { kind, apiVersion: request.group === '' ? request.version : `${request.group}/${request.version}` }
}

/** Items of a list do not repeat their type, but for custom resources. */
function represent(object: ApiObject, request: FakeRequest, typed: boolean): object {
  if (wantsMetadata(request)) return { ...typeOf(request), metadata: object.metadata }
  const { kind: _, apiVersion: __, ...rest } = object
  return typed || resources[object.kind]?.crd ? { ...rest, ...typeOf(request) } : rest
}

function break_(response: ServerResponse, fault: Fault): void {
  switch (fault.kind) {
    case 'status': {
      const retry = fault.retryAfterS === undefined ? {} : { 'retry-after': String(fault.retryAfterS) }
      for (const [name, value] of Object.entries(retry)) response.setHeader(name, value)
      return status(response, fault.code, 'Reason', fault.message ?? 'it is so')
    }
    case 'garbage':
      response.writeHead(200, { 'content-type': 'application/json' })
      return void response.end('{"kind": "ServiceList", "items": [\n')
    case 'body':
      return json(response, fault.body)
    case 'hang':
      return
    case 'cut':
      if (!fault.midway) return void response.socket?.destroy()
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
      response.write('{"kind": "ServiceList",', () => response.socket?.destroy())
  }
}

function forbidden({ verb, group, resource, namespace }: FakeRequest): string {
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`
  const who = 'User "system:serviceaccount:mesh:weft" cannot'
  return `${resource} is forbidden: ${who} ${verb} resource "${resource}" in API group "${group}" ${where}`
}

function statusOf(code: number, reason: string, message: string, more: object = {}): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code, ...more }
}

function status(response: ServerResponse, code: number, reason: string, message: string, more: object = {}): void {
  json(response, statusOf(code, reason, message, more), code)
}

function notFound(response: ServerResponse): void {
  response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' })
  response.end('404 page not found\n')
}

function json(response: ServerResponse, body: unknown, code = 200): void {
  response.writeHead(code, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
