import type { Socket } from 'node:net'
import type { OriginalDst } from '../intercept/original-dst.ts'
import { hostPort, plainAddress } from './address.ts'
import { type Peeked, peek, silentMs } from './detect/peek.ts'
import { isServerFirst } from './detect/server-first.ts'
import { OutboundExchange } from './http/outbound-exchange.ts'
import { reportRefused } from './http/refused-request.ts'
import type { ListenerRole } from './messages.ts'
import type { Reason } from './reasons.ts'
import type { ThreadState } from './state.ts'
import type { Destination, Table } from './table.ts'
import type { Caller } from './table-callers.ts'
import { OutboundTcp } from './tcp/outbound-tcp.ts'
import { factsOf, peerAddressOf } from './telemetry/facts.ts'
import type { ConnectionFacts } from './telemetry/telemetry.ts'

type OutboundRole = Extract<ListenerRole, { kind: 'outbound' | 'egress' }>

/** How long the first bytes of a connection are waited for whose port does not say what it speaks. */
const detectMs = 200

/**
 * Handles one captured connection of a local process: finds where it was going, who is calling, and what it speaks, and
 * hands it on as requests or as bytes.
 */
export function handleOutbound(socket: Socket, role: OutboundRole, state: ThreadState): void {
  const accepted = new Accepted(socket, state)
  accepted.start(role)
}

class Accepted {
  readonly #socket: Socket
  readonly #state: ThreadState
  readonly #table: Table | undefined
  readonly #since: number
  readonly #facts: ConnectionFacts
  #gone = false

  constructor(socket: Socket, state: ThreadState) {
    this.#socket = socket
    this.#state = state
    this.#table = state.table
    this.#since = state.clock.monotonic()
    this.#facts = factsOf('outbound', peerAddressOf(socket))
    // Until it is handed on, all that can happen to it is that the caller gives up.
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#gone = true
    })
  }

  start(role: OutboundRole): void {
    const table = this.#table
    if (this.#state.draining || table === undefined) return this.#refuse('DRAINING', 'the agent is not ready')
    if (role.kind === 'egress') return this.#startBound(table)
    const original = this.#state.originalDst(this.#socket)
    if (original === undefined) return this.#refuse('NOT_REDIRECTED', '')
    this.#facts.destinationAddress = hostPort(original.address, original.port)
    if (role.identity !== undefined || table.cgroupCallers.size === 0) {
      return this.#route(table, original, role.identity ?? table.defaultIdentity)
    }
    // A kernel that cannot be asked knows nobody.
    this.#state
      .callerOf(this.#socket, table.cgroupCallers)
      .catch(() => undefined)
      .then(identity => {
        if (this.#gone) return this.#refuse('CLIENT_RESET', '')
        this.#route(table, original, identity ?? table.defaultIdentity)
      })
  }

  /** The caller came to the listener itself, so that nothing but the kernel can say who it is. */
  #startBound(table: Table): void {
    const { localAddress = '', localPort = 0 } = this.#socket
    const original = { address: plainAddress(localAddress), port: localPort }
    this.#facts.destinationAddress = hostPort(original.address, original.port)
    this.#state
      .claimedBy(this.#socket, table.claims)
      .catch(() => undefined)
      .then(identity => {
        if (this.#gone) return this.#refuse('CLIENT_RESET', '')
        if (identity === undefined) return this.#refuse('UNKNOWN_CALLER', 'on a listener of a Sidecar')
        const caller = table.caller(identity)
        this.#facts.sourceIdentity = identity
        this.#facts.sourceWorkload = caller.labels.workload
        const listeners = table.routing.bound(caller.client)
        const isOwn = listeners.some(({ address, port }) => address === original.address && port === original.port)
        if (!isOwn) return this.#refuse('NO_ROUTE', 'the Sidecar of the caller has no such listener')
        peek(this.#socket, this.#state.clock, silentMs, ({ protocol, by }) => {
          if (this.#gone && by === 'nothing') return this.#refuse('CLIENT_RESET', '')
          if (protocol === 'http1' || protocol === 'http2')
            return this.#http(caller, original, undefined, protocol, true)
          this.#refuse('NOT_HTTP', `port ${original.port} is a listener of a Sidecar`)
        })
      })
  }

  #route(table: Table, original: OriginalDst, identity: string | undefined): void {
    const caller = table.caller(identity)
    this.#facts.sourceIdentity = identity ?? ''
    this.#facts.sourceWorkload = caller.labels.workload
    const destination = table.at(original.address, original.port)
    if (destination === undefined && table.virtualIps.has(original.address)) return this.#refuse('NO_ROUTE', '')
    const protocol = destination?.port.protocol ?? 'auto'
    switch (protocol) {
      case 'tcp':
        return this.#tcp(caller, original, destination)
      case 'auto':
        if (isServerFirst(original.port)) return this.#tcp(caller, original, destination)
        return this.#detect(caller, original, destination, detectMs)
      case 'tls':
        return this.#detect(caller, original, destination, detectMs)
      default:
        return this.#detect(caller, original, destination, silentMs)
    }
  }

  #detect(caller: Caller, original: OriginalDst, destination: Destination | undefined, timeoutMs: number): void {
    peek(this.#socket, this.#state.clock, timeoutMs, peeked => {
      if (this.#gone && peeked.by === 'nothing') return this.#refuse('CLIENT_RESET', '')
      const { protocol } = peeked
      const declared = destination?.port.protocol ?? 'auto'
      if (declared !== 'tls' && (protocol === 'http1' || protocol === 'http2')) {
        return this.#http(caller, original, destination, protocol)
      }
      if (declared === 'auto' || declared === 'tls') return this.#tcp(caller, original, destination, peeked)
      // Bytes that are no requests would pass by every rule that is made for requests.
      this.#refuse('NOT_HTTP', `port ${original.port} is declared ${declared}`)
    })
  }

  #http(
    caller: Caller,
    original: OriginalDst,
    destination: Destination | undefined,
    protocol: 'http1' | 'http2',
    isBound = false,
  ): void {
    const state = this.#state
    const remoteAddress = this.#facts.sourceAddress
    const connection = {
      caller,
      port: original.port,
      destination,
      original,
      isBound,
      originalAddress: this.#facts.destinationAddress,
      remoteAddress,
      sourceAddress: plainAddress(this.#socket.remoteAddress ?? ''),
      sourcePort: this.#socket.remotePort ?? 0,
    }
    state.httpConnections.serve(this.#socket, protocol, state, {
      request: (stream, headers, endStream) => {
        new OutboundExchange(state, stream, headers, endStream, connection)
      },
      refused: problem => reportRefused(state, 'outbound', caller.labels, remoteAddress, problem),
    })
  }

  #tcp(caller: Caller, original: OriginalDst, destination: Destination | undefined, peeked?: Peeked): void {
    const table = this.#table
    if (table === undefined) return
    const connection = new OutboundTcp(this.#state, this.#socket, {
      table,
      caller,
      original,
      destination,
      serverName: peeked?.hello?.serverName,
      facts: this.#facts,
      since: this.#since,
    })
    connection.start()
  }

  /** A reset, so that the caller sees a refusal at once and not an empty answer. */
  #refuse(reason: Reason, detail: string): void {
    this.#state.telemetry.refuse(this.#facts, reason, detail, this.#since)
    this.#socket.resetAndDestroy()
  }
}
