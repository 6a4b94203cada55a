import { constants } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import type { Clock } from '../../mesh/std/clock.ts'
import { describeError, type ErrorCode, MeshError } from '../../mesh/std/errors.ts'
import type { Running } from '../../mesh/std/lifecycle.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import { anonymous, type Caller } from '../access/caller.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import { demandAccess, type Trace, writerFor } from './access.ts'
import { type AuditTrail, createAuditTrail } from './audit-trail.ts'
import { createHostCheck } from './host-names.ts'
import { createRateLimit, type RateLimit } from './rate-limit.ts'
import { findRoute, type Route } from './route.ts'

/** Key and certificate chain (PEM, leaf first, root last) that the API presents. */
export interface ApiCredentials {
  readonly key: string
  readonly chain: string
}

export interface ApiDeps {
  readonly routes: readonly Route[]
  /** Whose an `Authorization` header is; throws WEFT_UNAUTHENTICATED when it is not good enough. */
  authenticate(header: string | undefined): Promise<Caller>
  readonly audit: Pick<AuditLog, 'append' | 'assertWritable'>
  readonly credentials: Pick<Watch<ApiCredentials>, 'value' | 'subscribe'>
  readonly clock: Clock
  readonly log: Log
}

export interface ApiOptions {
  readonly host: string
  readonly port: number
  /** Names by which the API may be called, besides addresses and localhost. */
  readonly names?: readonly string[]
}

const maxBodyBytes = 4 * 1024 * 1024
/** Of requests that nobody has authenticated. */
const maxOpenBodyBytes = 64 * 1024
/** How many times the limit is read, and thrown away, of a body that is too large. */
const patience = 8
const maxConnections = 1024
/** Attempts at routes without authentication, of one source address. */
const openLimit = { perSecond: 10, maxSources: 4096 }

const statusOf: Partial<Record<ErrorCode, number>> = {
  WEFT_UNAUTHENTICATED: 401,
  WEFT_FORBIDDEN: 403,
  WEFT_TOKEN_REFUSED: 403,
  WEFT_EVIDENCE_REFUSED: 403,
  WEFT_REGISTRY_UNAVAILABLE: 503,
  WEFT_IDENTITY_NOT_PLACED: 403,
  WEFT_NOT_FOUND: 404,
  WEFT_RESOURCE_CONFLICT: 409,
  WEFT_MIGRATION_REFUSED: 409,
  WEFT_ROTATION: 409,
  WEFT_BANNED: 403,
  WEFT_RESOURCE_INVALID: 422,
  WEFT_USAGE: 400,
  WEFT_CSR_REFUSED: 400,
  WEFT_SPIFFE_ID: 400,
  WEFT_RATE_LIMITED: 429,
  WEFT_STORE: 503,
}

/**
 * The HTTPS API: TLS 1.3, JSON in and out, every route but the open ones behind a bearer token. Errors are
 * `{ code, message, next, fields }`; what is not a MeshError is logged and answered without its text.
 */
export async function startApi(deps: ApiDeps, options: ApiOptions): Promise<Running> {
  const { log } = deps
  const limit = createRateLimit(deps.clock, openLimit)
  const trail = createAuditTrail(deps)
  const guards = { limit, trail, isOwnName: createHostCheck(options.names ?? []) }
  const server = createServer(
    {
      ...secureContext(deps.credentials.value),
      handshakeTimeout: 5_000,
      requestTimeout: 30_000,
      headersTimeout: 10_000,
      keepAliveTimeout: 5_000,
      connectionsCheckingInterval: 5_000,
      maxHeaderSize: 16 * 1024,
    },
    (request, response) => {
      handle(deps, guards, request, response).catch(error => {
        log.error('an API request failed', { path: request.url, error: describeError(error) })
        response.destroy()
      })
    },
  )
  server.maxConnections = maxConnections
  const unsubscribe = deps.credentials.subscribe(next => server.setSecureContext(secureContext(next)))
  server.on('tlsClientError', (error, socket) => {
    log.debug('a TLS handshake with the API failed', { error: describeError(error) })
    socket.destroy()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause =>
      reject(new MeshError('WEFT_LISTEN', `the API cannot listen on ${options.host}:${options.port}`, { cause })),
    )
    server.listen(options.port, options.host, resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  return {
    addresses: { api: `${options.host}:${port}` },
    async stop() {
      unsubscribe()
      server.closeAllConnections()
      if (server.listening) await new Promise(resolve => server.close(resolve))
    },
  }
}

/** Without tickets: a resumed session would outlive the certificate that it began with. */
function secureContext({ key, chain }: ApiCredentials): SecureContextOptions {
  return { minVersion: 'TLSv1.3', key, cert: chain, secureOptions: constants.SSL_OP_NO_TICKET }
}

interface Guards {
  readonly limit: RateLimit
  readonly trail: AuditTrail
  isOwnName(host: string | undefined): boolean
}

async function handle(
  deps: ApiDeps,
  { limit, trail, isOwnName }: Guards,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let found: ReturnType<typeof findRoute>
  let caller = anonymous
  const trace: Trace = { changes: [], nothing: false }
  const traced = () => ({ request, caller, route: found?.route, trace })
  try {
    // Only a browser sends an Origin, and no page has business here.
    if (request.headers.origin !== undefined) throw new MeshError('WEFT_USAGE', 'requests of web pages are refused')
    if (!isOwnName(request.headers.host)) {
      throw new MeshError('WEFT_USAGE', 'the API is not called by this name', {
        next: 'call it by an address, or add the name to listen.apiNames of the server',
      })
    }
    const [path = '', query = ''] = (request.url ?? '').split('?', 2)
    found = findRoute(deps.routes, request.method ?? '', path)
    if (found?.route.open !== true) caller = await deps.authenticate(request.headers.authorization)
    else admit(limit, request)
    if (found === undefined) throw new MeshError('WEFT_NOT_FOUND', `the API has no ${request.method} ${path}`)
    const { route, params } = found
    if (route.access !== undefined) demandAccess(caller, route.access, params)
    const body = await readBody(request, route.open === true ? maxOpenBodyBytes : maxBodyBytes)
    if (route.method !== 'GET') deps.audit.assertWritable()
    const address = request.socket.remoteAddress ?? ''
    const by = writerFor(caller, trace)
    const result = await route.handle({ params, query: new URLSearchParams(query), body, address, by })
    trail.done(traced())
    answer(response, 200, result ?? {})
  } catch (error) {
    trail.refused(traced(), error)
    // nobody is there to take an answer, and it is nobody's mistake here
    if (request.destroyed && !request.complete) return
    if (!(error instanceof MeshError)) {
      deps.log.error('an API request failed', { path: request.url, error: describeError(error) })
      return answer(response, 500, { code: 'WEFT_STORE', message: 'the server failed', next: 'see the server’s log' })
    }
    const { code, message, next, fields } = error
    answer(response, statusOf[code] ?? 500, { code, message, next, fields })
  }
}

function answer(response: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value)
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(text)
}

function admit(limit: RateLimit, request: IncomingMessage): void {
  if (limit.take(request.socket.remoteAddress ?? '')) return
  throw new MeshError('WEFT_RATE_LIMITED', 'too many attempts came from this address')
}

/**
 * Reads a body of at most `limit` bytes. A larger one is read to its end and forgotten, for otherwise the answer would
 * be lost with the connection; a much larger one ends the connection.
 */
function readBody(request: IncomingMessage, limit: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= limit) chunks.push(chunk)
      else if (bytes > limit * patience) request.destroy()
    })
    request.on('end', () => {
      if (bytes <= limit) resolve(Buffer.concat(chunks).toString('utf8'))
      else reject(new MeshError('WEFT_USAGE', `the body is larger than ${limit / 1024} KiB`))
    })
    request.on('error', reject)
    request.on('close', () => reject(new Error('the connection was closed')))
  })
}
