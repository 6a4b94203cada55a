import { connect, type Socket } from 'node:net'
import { describeError } from '../../mesh/std/errors.ts'
import type { OriginalDst } from '../intercept/original-dst.ts'
import { hostPort } from './address.ts'
import { avoidAfterFailureMs, pickEndpoint } from './balancer.ts'
import { baggageOf } from './hbone/baggage.ts'
import type { ListenerRole } from './messages.ts'
import type { Reason } from './reasons.ts'
import type { ThreadState } from './state.ts'
import type { Destination, MeshPeer, Table, Target } from './table.ts'
import { join } from './tcp/join.ts'
import { splice, streamCancel } from './tcp/splice.ts'
import { factsOf, peerAddressOf } from './telemetry/facts.ts'
import { type PeerLabels, unknownPeer } from './telemetry/tcp-metrics.ts'
import type { ConnectionFacts, ConnectionRecord } from './telemetry/telemetry.ts'

/** How many endpoints are tried before a connection is given up; nothing has been sent to any of them by then. */
const maxTries = 3
/** How many sessions are asked before an endpoint counts as failed whose sessions are all just going away. */
const maxAsks = 3
const connectTimeoutMs = 5_000
/** When a far side in plaintext that says nothing is asked for a sign of life by TCP. */
const keepAliveMs = 60_000

/**
 * Handles one captured connection of a local process: finds where it was going, who is calling, and an endpoint;
 * carries it there over HBONE, or in plaintext to endpoints outside the mesh.
 */
export function handleOutbound(
  socket: Socket,
  role: Extract<ListenerRole, { kind: 'outbound' }>,
  state: ThreadState,
): void {
  const attempt = new OutboundConnection(socket, role, state)
  attempt.start()
}

class OutboundConnection {
  readonly #socket: Socket
  readonly #state: ThreadState
  readonly #table: Table | undefined
  readonly #role: Extract<ListenerRole, { kind: 'outbound' }>
  #identity: string | undefined
  readonly #since: number
  #source: PeerLabels = unknownPeer
  readonly #facts: ConnectionFacts
  #tried: Set<Target> | undefined
  #gone = false
  /** Sessions that were asked for a tunnel. */
  #asked = 0

  constructor(socket: Socket, role: Extract<ListenerRole, { kind: 'outbound' }>, state: ThreadState) {
    this.#socket = socket
    this.#state = state
    this.#table = state.table
    this.#since = state.clock.monotonic()
    this.#role = role
    this.#facts = factsOf('outbound', peerAddressOf(socket))
    // Until it is joined to its far side, all that can happen to it is that the caller gives up.
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#gone = true
    })
  }

  start(): void {
    const table = this.#table
    if (this.#state.draining || table === undefined) return this.#refuse('DRAINING', 'the agent is not ready')
    const original = this.#state.originalDst(this.#socket)
    if (original === undefined) return this.#refuse('NOT_REDIRECTED', '')
    const address = hostPort(original.address, original.port)
    this.#facts.destinationAddress = address
    if (this.#role.identity !== undefined || table.cgroupCallers.size === 0) {
      this.#callAs(this.#role.identity ?? table.defaultIdentity, table)
      return this.#route(table, original, address)
    }
    const proceed = (identity: string | undefined) => {
      if (this.#gone) return this.#refuse('CLIENT_RESET', '')
      this.#callAs(identity ?? table.defaultIdentity, table)
      this.#route(table, original, address)
    }
    // A kernel that cannot be asked knows nobody.
    this.#state
      .callerOf(this.#socket, table.cgroupCallers)
      .catch(() => undefined)
      .then(proceed)
  }

  #callAs(identity: string | undefined, table: Table): void {
    this.#identity = identity
    const caller = identity === undefined ? undefined : table.callers.get(identity)
    this.#source = caller ?? (identity === undefined ? unknownPeer : { ...unknownPeer, principal: identity })
    this.#facts.sourceIdentity = identity ?? ''
    this.#facts.sourceWorkload = this.#source.workload
  }

  #route(table: Table, original: OriginalDst, address: string): void {
    const destination = table.services.get(address) ?? table.endpoints.get(address)
    if (destination === undefined) {
      if (table.virtualIps.has(original.address)) return this.#refuse('NO_ROUTE', '')
      return this.#plaintext(original.address, original.port, undefined, undefined)
    }
    if (destination.targets.length === 0 && destination.service.external && !table.virtualIps.has(original.address)) {
      return this.#plaintext(original.address, original.port, destination, undefined)
    }
    this.#facts.destinationService = destination.host
    this.#try(destination)
  }

  #try(destination: Destination): void {
    const { clock, random } = this.#state
    const target = pickEndpoint(destination.targets, this.#tried, clock.monotonic(), random)
    if (target === undefined) {
      const detail = destination.service.endpoints.length === 0 ? 'no endpoint is known' : 'none is healthy'
      return this.#refuse('NO_HEALTHY_ENDPOINT', detail)
    }
    const { identity } = target.endpoint
    this.#facts.destinationIdentity = identity ?? ''
    this.#facts.destinationWorkload = target.endpoint.workload
    this.#facts.hboneAddress = identity === undefined ? '' : hostPort(target.endpoint.address, this.#state.hbonePort)
    if (target.mesh === undefined) this.#plaintext(target.endpoint.address, target.port, destination, target)
    else this.#hbone(destination, target, target.mesh)
  }

  #hbone(destination: Destination, target: Target, peer: MeshPeer): void {
    const { pool, contexts } = this.#state
    if (this.#identity === undefined) return this.#refuse('UNKNOWN_CALLER', '')
    const source = contexts.of(this.#identity)
    if (source === undefined) return this.#refuse('NO_CERTIFICATE', this.#identity)
    const trustDomain = this.#table?.trustDomain ?? ''
    this.#asked += 1
    const { address } = target.endpoint
    const headers = [':method', 'CONNECT', ':authority', target.authority, 'baggage', baggageOf(this.#source)]
    const session = { ...peer, source, address, port: this.#state.hbonePort, trustDomain }
    pool.open(session, headers, result => {
      if (result.kind === 'failed') {
        if (this.#gone) return this.#refuse('CLIENT_RESET', '')
        if (result.again === true && this.#asked < maxAsks) return this.#hbone(destination, target, peer)
        return this.#failed(destination, target, result.reason, result.detail)
      }
      if (this.#gone) {
        result.stream.reset(streamCancel)
        return this.#refuse('CLIENT_RESET', '')
      }
      const record = this.#open(destination, target, 'mutual_tls')
      splice(this.#socket, result.stream, {
        fromSocket: bytes => record.sent(bytes),
        fromStream: bytes => record.received(bytes),
        ended: (end, detail) => {
          target.load.active -= 1
          record.end(end === 'ok' ? 'OK' : end === 'socket-reset' ? 'CLIENT_RESET' : 'UPSTREAM_RESET', detail)
        },
      })
    })
  }

  #plaintext(address: string, port: number, destination?: Destination, target?: Target): void {
    const upstream = connect({
      host: address,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
    })
    upstream.pause()
    const failed = (detail: string) => {
      timer.cancel()
      upstream.destroy()
      if (this.#gone) return this.#refuse('CLIENT_RESET', '')
      if (destination === undefined || target === undefined) return this.#refuse('UPSTREAM_CONNECT', detail)
      this.#failed(destination, target, 'UPSTREAM_CONNECT', detail)
    }
    const timer = this.#state.clock.timer(connectTimeoutMs, () => failed(`no answer in ${connectTimeoutMs / 1000} s`))
    const onError = (error: Error) => failed(describeError(error))
    upstream.once('error', onError)
    upstream.once('connect', () => {
      timer.cancel()
      upstream.off('error', onError)
      if (this.#gone) {
        upstream.on('error', () => {})
        upstream.resetAndDestroy()
        return this.#refuse('CLIENT_RESET', '')
      }
      const record = this.#open(destination, target, 'none')
      join(this.#socket, upstream, (end, detail, sent, received) => {
        if (target !== undefined) target.load.active -= 1
        record.sent(sent)
        record.received(received)
        record.end(end === 'ok' ? 'OK' : end === 'socket-reset' ? 'CLIENT_RESET' : 'UPSTREAM_RESET', detail)
      })
    })
  }

  /** Tries the next endpoint: nothing of the caller's bytes has left this host yet. */
  #failed(destination: Destination, target: Target, reason: Reason, detail: string): void {
    target.load.avoidUntil = this.#state.clock.monotonic() + avoidAfterFailureMs
    this.#tried ??= new Set()
    this.#tried.add(target)
    const left = destination.targets.length - this.#tried.size
    if (left <= 0 || this.#tried.size >= maxTries) return this.#refuse(reason, detail)
    this.#state.telemetry.metrics.refused('outbound', reason)
    this.#try(destination)
  }

  #open(
    destination: Destination | undefined,
    target: Target | undefined,
    security: 'mutual_tls' | 'none',
  ): ConnectionRecord {
    const { telemetry } = this.#state
    const counters = telemetry.metrics.counters({
      reporter: 'source',
      source: this.#source,
      destination: target?.labels ?? unknownPeer,
      service: destination?.host ?? 'unknown',
      serviceName: destination?.service.name ?? 'unknown',
      serviceNamespace: destination?.service.namespace ?? 'unknown',
      security,
    })
    if (target !== undefined) {
      target.load.active += 1
      target.load.avoidUntil = 0
    }
    return telemetry.open(this.#facts, counters, this.#since)
  }

  /** A reset, so that the caller sees a refusal at once and not an empty answer. */
  #refuse(reason: Reason, detail: string): void {
    this.#state.telemetry.refuse(this.#facts, reason, detail, this.#since)
    this.#socket.resetAndDestroy()
  }
}
