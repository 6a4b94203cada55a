import type { Duplex } from 'node:stream'
import type { Protocol } from '../../../mesh/model/service.ts'
import type { ClusterSettings } from '../../../mesh/routing/cluster.ts'
import type { OriginalDst } from '../../intercept/original-dst.ts'
import { hostPort } from '../address.ts'
import { appClientOptions } from '../h2/app-options.ts'
import { H2Connection } from '../h2/connection.ts'
import { baggageOf } from '../hbone/baggage.ts'
import type { SessionTarget } from '../hbone/session.ts'
import { tunnelSocket } from '../hbone/tunnel-socket.ts'
import type { HttpClientConnection, HttpProtocol } from '../http/stream.ts'
import { Http1ClientConnection } from '../http1/client-connection.ts'
import type { ThreadState } from '../state.ts'
import type { LocalTarget } from '../table.ts'
import type { Origin } from './connection-pool.ts'
import { dial } from './dial.ts'
import { originTls } from './origin-tls.ts'
import { proxyHeader } from './proxy-header.ts'
import type { UpstreamCall } from './upstreams.ts'

/** Where the connections of the pool lead to, and how each kind of them is made. */

type Deps = Pick<ThreadState, 'clock' | 'blocks' | 'http1' | 'pool' | 'credentialDirectory'>

const connectTimeoutMs = 5_000
const defaultIdleMs = 60 * 60_000
/** Each connection of a caller would leave one behind otherwise. */
const ofOneIdleMs = 10_000

/** An endpoint outside the mesh, in plaintext or by TLS that its DestinationRule asks for. */
export function plainOrigin({ target, settings, port, protocol, addresses }: UpstreamCall, deps: Deps): Origin {
  const { tls, proxyProtocol } = settings
  const http2 = settings.h2Upgrade || speaksHttp2(settings.useClientProtocol ? 'auto' : port, protocol)
  const { connectTimeoutMs: timeoutMs, tcpKeepalive } = settings
  const address = { host: target.endpoint.address, port: target.port }
  const preamble = proxyProtocol && proxyHeader(proxyProtocol, addresses)
  const to = { to: address, timeoutMs, keepAliveMs: tcpKeepalive?.timeMs, preamble }
  // a connection that says for whom it is made is for nobody else, and of no use once he has gone
  const forWhom = preamble === undefined ? '' : ` ${preamble.toString('hex')}`
  const isForOne = preamble !== undefined && addresses !== undefined
  return {
    key: `${target.authority} ${http2 ? 'h2' : 'h1'} ${settingsKey(settings)} ${settings.cluster}${forWhom}`,
    multiplexed: http2,
    idleTimeoutMs: isForOne ? Math.min(settings.httpIdleTimeoutMs, ofOneIdleMs) : settings.httpIdleTimeoutMs,
    maxRequestsPerConnection: settings.maxRequestsPerConnection,
    dial: done => {
      const options = originTls(tls, http2 ? 'h2' : 'http/1.1', deps.credentialDirectory)
      if (options.kind === 'unusable') {
        done({ kind: 'failed', reason: 'UPSTREAM_TLS', detail: options.why })
        return nothing
      }
      return dial({ ...to, tls: options.tls }, deps.clock, socket => speak(socket, http2, deps, settings), done)
    },
  }
}

/** Where a caller was going that the mesh does not know. */
export function passThroughOrigin(original: OriginalDst, protocol: HttpProtocol, deps: Deps): Origin {
  const { address, port } = original
  const http2 = protocol === 'HTTP/2'
  return {
    key: `${hostPort(address, port)} ${http2 ? 'h2' : 'h1'} passthrough`,
    multiplexed: http2,
    idleTimeoutMs: defaultIdleMs,
    maxRequestsPerConnection: undefined,
    dial: done =>
      dial({ to: { host: address, port }, timeoutMs: 10_000 }, deps.clock, socket => speak(socket, http2, deps), done),
  }
}

/** A process of this host, in what its port declares to speak. */
export function localOrigin({ port, to }: LocalTarget, protocol: HttpProtocol, deps: Deps): Origin {
  const http2 = speaksHttp2(port.protocol, protocol)
  const where = { to: to.connect, timeoutMs: connectTimeoutMs }
  return {
    key: `${to.text} ${http2 ? 'h2' : 'h1'} local`,
    multiplexed: http2,
    idleTimeoutMs: defaultIdleMs,
    maxRequestsPerConnection: undefined,
    dial: done => dial(where, deps.clock, socket => speak(socket, http2, deps), done),
  }
}

/** A tunnel to an endpoint whose agent is not ours and takes no requests as streams. */
export function tunnelOrigin(
  { target, caller, settings, port, protocol }: UpstreamCall,
  session: SessionTarget,
  deps: Deps,
): Origin {
  const http2 = speaksHttp2(port, protocol)
  const headers = [':method', 'CONNECT', ':authority', target.authority, 'baggage', baggageOf(caller.labels)]
  return {
    key: `${target.authority} ${http2 ? 'h2' : 'h1'} ${settingsKey(settings)} ${session.source.identity} ${session.destination} ${settings.cluster}`,
    multiplexed: http2,
    idleTimeoutMs: settings.httpIdleTimeoutMs,
    maxRequestsPerConnection: settings.maxRequestsPerConnection,
    dial: done => {
      let cancelled = false
      deps.pool.open(session, headers, result => {
        if (result.kind === 'failed') {
          if (!cancelled) done({ kind: 'failed', reason: result.reason, detail: result.detail })
          return
        }
        const socket = tunnelSocket(result.stream)
        if (cancelled) return void socket.destroy()
        done({ kind: 'connected', connection: speak(socket, http2, deps, settings), localAddress: '' })
      })
      return {
        cancel() {
          cancelled = true
        },
      }
    },
  }
}

const nothing = { cancel() {} }

/** What the port declares; a port that declares nothing is spoken to as the caller speaks. */
function speaksHttp2(port: Protocol, caller: HttpProtocol): boolean {
  return port === 'http2' || port === 'grpc' || (port === 'auto' && caller === 'HTTP/2')
}

function speak(
  socket: Duplex,
  http2: boolean,
  deps: Deps,
  settings?: Pick<ClusterSettings, 'http2Keepalive'>,
): HttpClientConnection {
  if (!http2) return new Http1ClientConnection(socket, { clock: deps.clock, shared: deps.http1 })
  const asked = settings?.http2Keepalive
  const options = appClientOptions(deps.clock, deps.blocks)
  const keepalive = asked === undefined ? false : { ...asked, whenIdle: true }
  return new H2Connection(socket, 'client', { ...options, keepalive })
}

const settingsKeys = new WeakMap<ClusterSettings, string>()

/**
 * What a connection is made with, every setting of TLS above all: one whose peer was not asked for its name must not serve
 * a caller whose rule asks for one. What files hold is as it was when the connection was made.
 */
function settingsKey(settings: ClusterSettings): string {
  let key = settingsKeys.get(settings)
  if (key === undefined) {
    const { tls, http2Keepalive, proxyProtocol } = settings
    const isOwn = tls.mode === 'simple' || tls.mode === 'mutual'
    key = JSON.stringify([isOwn ? tls : 'plain', http2Keepalive, proxyProtocol])
    settingsKeys.set(settings, key)
  }
  return key
}
