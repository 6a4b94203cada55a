import type { Protocol } from '../../../mesh/model/service.ts'
import type { ClusterSettings } from '../../../mesh/routing/cluster.ts'
import type { OriginalDst } from '../../intercept/original-dst.ts'
import { baggageOf } from '../hbone/baggage.ts'
import { destinationField, sourceField } from '../hbone/request-fields.ts'
import type { SessionTarget } from '../hbone/session.ts'
import { pseudo } from '../http/request-facts.ts'
import type { HeaderList, HttpProtocol } from '../http/stream.ts'
import type { ThreadState } from '../state.ts'
import type { Caller, MeshPeer, Target } from '../table.ts'
import type { IdentityContext } from '../tls-contexts.ts'
import type { Cancellable, ConnectionPool, OpenResult, Origin } from './connection-pool.ts'
import { passThroughOrigin, plainOrigin, tunnelOrigin } from './origins.ts'
import type { CallerAddresses } from './proxy-header.ts'

type Needs = Pick<
  ThreadState,
  'pool' | 'contexts' | 'hbonePort' | 'table' | 'clock' | 'blocks' | 'http1' | 'credentialDirectory'
>

/** One attempt at an endpoint. */
export interface UpstreamCall {
  readonly target: Target
  readonly settings: ClusterSettings
  readonly caller: Caller
  /** What the service's port declares. */
  readonly port: Protocol
  /** What the caller speaks: where the port says nothing, the endpoint is spoken to in the same. */
  readonly protocol: HttpProtocol
  /** Of the caller's connection, where the endpoint is told; without them a connection is the agent's own. */
  readonly addresses?: CallerAddresses | undefined
}

/** Tells the receiving agent what the caller speaks, for a port that does not say what it speaks. */
export const protocolField = 'x-weft-protocol'

/** How many sessions are asked before an endpoint counts as failed whose sessions are all just going away. */
const maxAsks = 3
const nothing: Cancellable = { cancel() {} }

/**
 * Sends requests to endpoints: as streams of mesh sessions where the endpoint's agent is one of ours, through a tunnel
 * where it only speaks HBONE, and over connections of their own to endpoints outside the mesh.
 */
export class Upstreams {
  readonly #state: Needs
  readonly #connections: ConnectionPool
  /** By who calls: callers of one host take turns. */
  readonly #sessions = new WeakMap<IdentityContext, WeakMap<Target, SessionTarget>>()

  constructor(state: Needs, connections: ConnectionPool) {
    this.#state = state
    this.#connections = connections
  }

  /** Sends the head; `done` is called once, mostly before this returns, and not after `cancel`. */
  open(call: UpstreamCall, headers: HeaderList, endStream: boolean, done: (result: OpenResult) => void): Cancellable {
    const { target, settings, protocol } = call
    if (target.mesh === undefined || isOriginated(settings)) {
      return this.#connections.open(plainOrigin(call, this.#state), headers, endStream, 'any', done)
    }
    return this.#overMesh(call, target.mesh, headers, endStream, protocol, done)
  }

  /**
   * Asks an endpoint that is a proxy for a tunnel, over a connection of its own unless it speaks HTTP/2; the rest is as for
   * {@link open}. Through the mesh the proxy is reached as bytes are: its agent does not see what it is asked.
   */
  openTunnel(call: UpstreamCall, headers: HeaderList, done: (result: OpenResult) => void): Cancellable {
    const { target, caller } = call
    const send = (origin: Origin) =>
      this.#connections.open(origin, headers, false, origin.multiplexed ? 'any' : 'none', done)
    const { mesh } = target
    if (mesh === undefined || isOriginated(call.settings)) return send(plainOrigin(call, this.#state))
    if (caller.identity === undefined) return refused(done, 'UNKNOWN_CALLER', '')
    const source = this.#state.contexts.of(caller.identity)
    if (source === undefined) return refused(done, 'NO_CERTIFICATE', caller.identity)
    return send(tunnelOrigin(call, this.#sessionTarget(target, mesh, source), this.#state))
  }

  /** Sends a request where its caller wanted it to go. */
  passThrough(
    original: OriginalDst,
    protocol: HttpProtocol,
    headers: HeaderList,
    endStream: boolean,
    done: (result: OpenResult) => void,
  ): Cancellable {
    return this.#connections.open(passThroughOrigin(original, protocol, this.#state), headers, endStream, 'any', done)
  }

  #overMesh(
    call: UpstreamCall,
    peer: MeshPeer,
    headers: HeaderList,
    endStream: boolean,
    protocol: HttpProtocol,
    done: (result: OpenResult) => void,
  ): Cancellable {
    const { target, caller } = call
    const { pool, contexts } = this.#state
    if (caller.identity === undefined) return refused(done, 'UNKNOWN_CALLER', '')
    const source = contexts.of(caller.identity)
    if (source === undefined) return refused(done, 'NO_CERTIFICATE', caller.identity)
    const session = this.#sessionTarget(target, peer, source)
    const request = meshRequest(headers, target, caller, protocol)
    let current: Cancellable | undefined
    let asked = 0
    const ask = () => {
      asked += 1
      let settled = false
      const pending = pool.request(session, request, endStream, result => {
        settled = true
        switch (result.kind) {
          case 'open':
            return done({ kind: 'open', stream: result.stream, fresh: true, isAgent: true, localAddress: '' })
          case 'failed':
            // The endpoint is not at fault where only its session went away.
            if (result.again === true && asked < maxAsks) return ask()
            return done({ kind: 'failed', reason: result.reason, detail: result.detail })
          case 'unsupported': {
            const origin = tunnelOrigin(call, session, this.#state)
            current = this.#connections.open(origin, headers, endStream, 'any', done)
          }
        }
      })
      if (!settled) current = pending
    }
    ask()
    return {
      cancel() {
        current?.cancel()
      },
    }
  }

  /** The same object for as long as it means the same: sessions are found by it. */
  #sessionTarget(target: Target, peer: MeshPeer, source: IdentityContext): SessionTarget {
    let ofSource = this.#sessions.get(source)
    if (ofSource === undefined) {
      ofSource = new WeakMap()
      this.#sessions.set(source, ofSource)
    }
    const known = ofSource.get(target)
    if (known !== undefined) return known
    const { hbonePort, table } = this.#state
    const { address } = target.endpoint
    const made = { ...peer, source, address, port: hbonePort, trustDomain: table?.trustDomain ?? '' }
    ofSource.set(target, made)
    return made
  }
}

/** The request as one agent sends it to another: with the port it is for and who calls behind the pseudo-headers. */
function meshRequest(headers: HeaderList, target: Target, caller: Caller, protocol: HttpProtocol): string[] {
  const request = headers.slice(0, pseudo.end)
  // a request without a host has none here (RFC 9113 section 8.3.1); an empty one would be malformed
  if (request[pseudo.authority] === '') request.splice(pseudo.authority - 1, 2)
  request.push(destinationField, target.authority, sourceField, baggageOf(caller.labels))
  if (protocol === 'HTTP/2') request.push(protocolField, 'h2')
  for (let at = pseudo.end; at < headers.length; at += 1) request.push(headers[at] ?? '')
  return request
}

/** The rule says that the mesh is not to be used, by whatever TLS it asks for. */
function isOriginated({ tls: { mode } }: ClusterSettings): boolean {
  return mode === 'disable' || mode === 'simple' || mode === 'mutual'
}

function refused(
  done: (result: OpenResult) => void,
  reason: 'UNKNOWN_CALLER' | 'NO_CERTIFICATE',
  detail: string,
): Cancellable {
  done({ kind: 'failed', reason, detail })
  return nothing
}
