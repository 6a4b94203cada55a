import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { BlockPool } from '../../agent/dataplane/h2/blocks.ts'
import { H2Connection } from '../../agent/dataplane/h2/connection.ts'
import type { HboneState, InboundPeer, InboundRequests } from '../../agent/dataplane/hbone/inbound-requests.ts'
import { createHboneListener } from '../../agent/dataplane/hbone/listener.ts'
import { HbonePool } from '../../agent/dataplane/hbone/pool.ts'
import { HboneServer } from '../../agent/dataplane/hbone/server.ts'
import type { RequestResult, SessionTarget } from '../../agent/dataplane/hbone/session.ts'
import type { HeaderList, HttpStream } from '../../agent/dataplane/http/stream.ts'
import { LiveCalls } from '../../agent/dataplane/policy/live-calls.ts'
import { ReadGarbage } from '../../agent/dataplane/read-garbage.ts'
import { buildTable, type LocalTarget } from '../../agent/dataplane/table.ts'
import { openAccessLog } from '../../agent/dataplane/telemetry/access-log.ts'
import { HttpTelemetry } from '../../agent/dataplane/telemetry/http-telemetry.ts'
import { TcpMetrics } from '../../agent/dataplane/telemetry/tcp-metrics.ts'
import { Telemetry } from '../../agent/dataplane/telemetry/telemetry.ts'
import { TlsContexts } from '../../agent/dataplane/tls-contexts.ts'
import { identitySni } from '../../mesh/identity/sni.ts'
import { type Clock, systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { aConfig, aWorkload } from './agent-config.ts'
import { aTrustedMesh, identityOf } from './data-threads.ts'
import { until } from './eventually.ts'

interface Teardown {
  teardown(stop: () => unknown): void
}

export interface TakenRequest {
  readonly stream: HttpStream
  readonly headers: string[]
  readonly endStream: boolean
  readonly from: InboundPeer
  readonly target: LocalTarget
}

/** `api` on a host that serves requests and tunnels, and a pool of `web` that calls it, over real TLS. */
export async function aRequestPair(t: Teardown, serve: InboundRequests['request'], clock: Clock = systemClock) {
  const mesh = aTrustedMesh()
  const taken: TakenRequest[] = []
  const contexts = (name: string) => new TlsContexts([mesh.credential(name)], mesh.trust)
  const pool = new HbonePool(clock, { blocks: new BlockPool() })
  const ports = [
    { port: 8080, protocol: 'tcp', mtls: 'STRICT', mtlsFrom: 'default', service: 'default/api' } as const,
    { port: 8081, protocol: 'tcp', mtls: 'STRICT', mtlsFrom: 'default', service: 'default/api' } as const,
  ]
  const api = aWorkload({ id: 'static/api', name: 'api', address: '127.0.0.1', identity: identityOf('api'), ports })
  const db = aWorkload({ id: 'static/db', name: 'db', address: '127.0.0.2', identity: identityOf('db') })
  const log = openAccessLog(undefined, systemClock)
  const http = new HttpTelemetry({ log, clock: systemClock, random: systemRandom, spans: () => {} })
  const telemetry = new Telemetry(new TcpMetrics(), http, log, systemClock)
  const inboundRequests: InboundRequests = {
    tunnel(socket) {
      socket.destroy()
    },
    request(stream, headers, endStream, from, target) {
      taken.push({ stream, headers, endStream, from, target })
      serve(stream, headers, endStream, from, target)
    },
  }
  const state: HboneState = {
    table: buildTable(aConfig({ trust: mesh.trust, workloads: [api, db] })).table,
    contexts: contexts('api'),
    draining: false,
    blocks: new BlockPool(),
    telemetry,
    clock: systemClock,
    inboundRequests,
    reads: new ReadGarbage(() => {}),
    liveCalls: new LiveCalls(),
  }
  const server = new HboneServer(state)
  const listener = createHboneListener(state, server, () => true)
  await new Promise<void>(resolve => listener.server.listen(0, '127.0.0.1', resolve))
  const address = listener.server.address()
  if (address === null || typeof address === 'string') throw new Error('not bound')
  t.teardown(() => {
    pool.destroy()
    server.destroy()
    listener.server.close()
  })
  const source = contexts('web').of(identityOf('web'))
  if (source === undefined) throw new Error('no context')
  const target: SessionTarget = {
    source,
    destination: identityOf('api'),
    serverName: identitySni(identityOf('api')),
    address: '127.0.0.1',
    port: address.port,
    trustDomain: 'mesh.local',
  }
  return { mesh, pool, target, taken, state, server }
}

/** An agent of another make: it has the identity `api` and speaks only `h2`; every stream gets the status 200. */
export async function anotherMakesAgent(t: Teardown, mesh: ReturnType<typeof aTrustedMesh>): Promise<number> {
  return await tlsAgent(t, mesh, 'h2', connection => {
    connection.onStream = stream => stream.respond([':status', '200'], false)
  })
}

async function tlsAgent(
  t: Teardown,
  mesh: ReturnType<typeof aTrustedMesh>,
  alpn: 'h2' | 'weft/1',
  serve: (connection: H2Connection, socket: TLSSocket) => void,
): Promise<number> {
  const credential = mesh.credential('api')
  const sockets = new Set<TLSSocket>()
  const server = createTlsServer({ key: credential.key, cert: credential.chain, ALPNProtocols: [alpn] }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    const dialect = alpn === 'h2' ? 'h2' : 'weft'
    serve(new H2Connection(socket, 'server', { clock: systemClock, dialect, keepalive: false }), socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not bound')
  return address.port
}

/**
 * A Weft agent with the identity `api` that takes requests and then falls silent: it reads nothing more, and neither
 * answers nor closes.
 */
export async function aSilentAgent(t: Teardown, mesh: ReturnType<typeof aTrustedMesh>): Promise<number> {
  return await tlsAgent(t, mesh, 'weft/1', (connection, socket) => {
    connection.onStream = () => socket.pause()
  })
}

/** One request and all that came back. */
export class Asked {
  result: RequestResult | undefined
  readonly headers: HeaderList[] = []
  text = ''
  ended = false
  reset: { readonly code: number; readonly reason: string } | undefined

  constructor(pool: HbonePool, target: SessionTarget, headers: HeaderList, endStream = true) {
    pool.request(target, headers, endStream, result => this.#result(result))
  }

  get stream(): HttpStream {
    if (this.result?.kind !== 'open') throw new Error(`not open: ${JSON.stringify(this.result)}`)
    return this.result.stream
  }

  async over(): Promise<this> {
    await until('the response is complete', () => this.ended || this.reset !== undefined)
    return this
  }

  #result(result: RequestResult): void {
    this.result = result
    if (result.kind !== 'open') return
    const { stream } = result
    stream.onHeaders = (headers, endStream) => {
      this.headers.push(headers)
      if (endStream) this.ended = true
    }
    stream.onData = chunk => {
      this.text += chunk.toString('latin1')
      stream.consumed(chunk.length)
    }
    stream.onEnd = () => {
      this.ended = true
    }
    stream.onReset = (code, reason) => {
      this.reset = { code, reason }
    }
  }
}

/** The head of a GET for port 8080 of `api`, with more fields. */
export function getHead(...fields: readonly string[]): string[] {
  return [...pseudo, 'x-weft-destination', '127.0.0.1:8080', 'x-weft-source', 'service.name=shop', ...fields]
}

export const pseudo: HeaderList = [':method', 'GET', ':scheme', 'http', ':authority', 'api', ':path', '/']
