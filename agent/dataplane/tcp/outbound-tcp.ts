import type { Socket } from 'node:net'
import type { TunnelSettings } from '../../../mesh/routing/cluster.ts'
import type { RouteDestination } from '../../../mesh/routing/route.ts'
import type { OriginalDst } from '../../intercept/original-dst.ts'
import { hostPort, plainAddress } from '../address.ts'
import { baggageOf } from '../hbone/baggage.ts'
import type { HttpStream } from '../http/stream.ts'
import type { Reason } from '../reasons.ts'
import type { ThreadState } from '../state.ts'
import type { Destination, MeshPeer, Table } from '../table.ts'
import type { Caller } from '../table-callers.ts'
import { unknownPeer } from '../telemetry/peer-labels.ts'
import type { ConnectionFacts, ConnectionRecord } from '../telemetry/telemetry.ts'
import { type DialOptions, dialSocket } from '../transport/dial.ts'
import { originTls } from '../transport/origin-tls.ts'
import { type CallerAddresses, proxyHeader } from '../transport/proxy-header.ts'
import type { ActiveCluster, Upstream } from '../upstream/clusters.ts'
import type { NamedDestination, NamedDestinations } from '../upstream/named-destinations.ts'
import { join } from './join.ts'
import { awaitTunnel, tunnelRequest } from './proxy-tunnel.ts'
import { resetSocket } from './reset.ts'
import { splice, streamCancel } from './splice.ts'

/** How many endpoints are tried before a connection is given up; nothing has been sent to any of them by then. */
const maxTries = 3
/** How many sessions are asked before an endpoint counts as failed whose sessions are all just going away. */
const maxAsks = 3
/** When a far side in plaintext that says nothing is asked for a sign of life by TCP. */
const keepAliveMs = 60_000
const passThroughTimeoutMs = 5_000

/** What is known of a captured connection when it turns out to carry bytes and not requests. */
export interface TcpCall {
  readonly table: Table
  readonly caller: Caller
  readonly original: OriginalDst
  readonly destination: Destination | undefined
  /** What a TLS client asks for. */
  readonly serverName: string | undefined
  readonly facts: ConnectionFacts
  /** Monotonic milliseconds: when it was accepted. */
  readonly since: number
}

/**
 * One connection of a local process whose bytes are carried as they are: to an endpoint of its destination over HBONE,
 * or in plaintext to one outside the mesh; to another one when the first cannot be reached.
 */
export class OutboundTcp {
  readonly #state: ThreadState
  readonly #socket: Socket
  readonly #call: TcpCall
  readonly #facts: ConnectionFacts
  #active: ActiveCluster | undefined
  #lookedUp: NamedDestination | undefined
  #holdsConnection = false
  readonly tried = new Set<Upstream>()
  readonly hash = undefined
  #lastFailure: { readonly reason: Reason; readonly detail: string } | undefined
  #gone = false
  /** Sessions that were asked for a tunnel. */
  #asked = 0

  constructor(state: ThreadState, socket: Socket, call: TcpCall) {
    this.#state = state
    this.#socket = socket
    this.#call = call
    this.#facts = call.facts
    socket.once('close', () => {
      this.#gone = true
      this.#releaseConnection()
    })
  }

  start(): void {
    const { table, caller, original, destination } = this.#call
    const ruled = this.#ruled()
    const route = ruled ?? (destination ?? this.#named())?.route
    const active = route && this.#state.clusters.of(table, caller, route)
    // What a Sidecar hides from the caller is to it as if it were not there; endpoints of the mesh take no plaintext.
    const isUnknown = destination === undefined || destination.service.external
    const isVirtual = table.virtualIps.has(original.address)
    if (route === undefined || (active === undefined && ruled === undefined && isUnknown && !isVirtual)) {
      if (table.routing.sidecar(caller.client).outboundTrafficPolicy === 'REGISTRY_ONLY') {
        return this.#refuse('BLOCKED_HOST', 'outboundTrafficPolicy REGISTRY_ONLY')
      }
      const { address: host, port } = original
      return this.#plaintext({ to: { host, port }, timeoutMs: passThroughTimeoutMs, keepAliveMs })
    }
    this.#facts.destinationService = route.host
    if (active === undefined) return this.#refuse('NO_CLUSTER', route.cluster)
    if (!active.cluster.limits.acquire('connections')) {
      return this.#refuse('UPSTREAM_OVERFLOW', active.cluster.limits.describe('connections'))
    }
    this.#holdsConnection = true
    this.#active = active
    if (active.names === undefined) return this.#try(active)
    this.#findName(active, active.names)
  }

  /** Looks up the server name that the caller asks for. */
  #findName(active: ActiveCluster, names: NamedDestinations): void {
    const name = this.#call.serverName?.toLowerCase() ?? ''
    if (!names.has(name)) return this.#refuse('NO_HEALTHY_ENDPOINT', `${name || 'no server name'} is none of its names`)
    this.#state.names.find(name, active.settings.connectTimeoutMs, found => {
      if (this.#gone) return this.#refuse('CLIENT_RESET', '')
      if (found.kind === 'failed') return this.#refuse('NO_HEALTHY_ENDPOINT', found.detail)
      this.#lookedUp = names.of(name, found.addresses)
      this.#try(active)
    })
  }

  /** Where a rule for bytes sends it; undefined without one. */
  #ruled(): RouteDestination | undefined {
    const { table, caller, original, serverName, destination } = this.#call
    const port = destination?.port.port ?? original.port
    const rules = table.routing.tcp(caller.client, destination?.routable, port, serverName, original.address)
    if (rules === undefined) return undefined
    let left = this.#state.random() * rules.reduce((sum, rule) => sum + rule.destination.weight, 0)
    for (const rule of rules) {
      left -= rule.destination.weight
      if (left < 0) return rule.destination
    }
    return rules[0]?.destination
  }

  /** The service outside of known addresses that a TLS client asks for by name. */
  #named(): Destination | undefined {
    const { table, original, serverName } = this.#call
    if (serverName === undefined || table.virtualIps.has(original.address)) return undefined
    return table.byServerName(serverName, original.port)
  }

  #try(active: ActiveCluster): void {
    const { destination, original } = this.#call
    const chosen = active.pinned(destination?.pinned) ?? this.#lookedUp?.next(this.tried) ?? active.original(original)
    const upstream = chosen ?? active.cluster.pick(this)
    if (upstream === undefined) {
      const detail = active.cluster.size === 0 ? 'no endpoint is known' : 'none is healthy'
      return this.#refuse('NO_HEALTHY_ENDPOINT', detail)
    }
    const last = this.#lastFailure
    // When everything has been tried, the choice falls on what was tried before.
    if (last !== undefined && this.tried.has(upstream)) return this.#refuse(last.reason, last.detail)
    const { target } = upstream
    const { identity } = target.endpoint
    this.#facts.destinationService = active.destination.host
    this.#facts.destinationIdentity = identity ?? ''
    this.#facts.destinationWorkload = target.endpoint.workload
    this.#facts.hboneAddress = identity === undefined ? '' : hostPort(target.endpoint.address, this.#state.hbonePort)
    const settings = this.#lookedUp?.settings ?? active.settings
    if (settings.tunnel !== undefined) return this.#throughProxy(active, upstream, settings.tunnel)
    if (target.mesh !== undefined) return this.#hbone(active, upstream, target.mesh)
    const tls = originTls(settings.tls, 'bytes', this.#state.credentialDirectory)
    if (tls.kind === 'unusable') return this.#refuse('UPSTREAM_TLS', tls.why)
    const preamble = settings.proxyProtocol && proxyHeader(settings.proxyProtocol, this.#addresses)
    this.#plaintext(
      {
        to: { host: target.endpoint.address, port: target.port },
        timeoutMs: settings.connectTimeoutMs,
        keepAliveMs: settings.tcpKeepalive?.timeMs ?? keepAliveMs,
        tls: tls.tls,
        preamble,
      },
      active,
      upstream,
    )
  }

  get #addresses(): CallerAddresses {
    const { remoteAddress = '', remotePort = 0 } = this.#socket
    return {
      source: { address: plainAddress(remoteAddress), port: remotePort },
      destination: this.#call.original,
    }
  }

  /** On to where the rule says, by a proxy that the endpoint is. */
  #throughProxy(active: ActiveCluster, upstream: Upstream, tunnel: TunnelSettings): void {
    const { settings, destination } = active
    const { target } = upstream
    const call = {
      target,
      settings,
      caller: this.#call.caller,
      port: destination.port.protocol,
      protocol: 'HTTP/1.1',
      addresses: this.#addresses,
    } as const
    const { upstreams, clock } = this.#state
    upstreams.openTunnel(call, tunnelRequest(tunnel), opened =>
      awaitTunnel(opened, settings.connectTimeoutMs, clock, result => {
        if (result.kind === 'open') return this.#carry(active, upstream, result.stream)
        if (this.#gone) return this.#refuse('CLIENT_RESET', '')
        if (result.status === undefined) return this.#failed(active, upstream, result.reason, result.detail)
        // another endpoint of the proxy would say the same
        active.cluster.answered(upstream, result.status)
        this.#refuse(result.reason, result.detail)
      }),
    )
  }

  #hbone(active: ActiveCluster, upstream: Upstream, peer: MeshPeer): void {
    const { pool, contexts } = this.#state
    const { caller, table } = this.#call
    if (caller.identity === undefined) return this.#refuse('UNKNOWN_CALLER', '')
    const source = contexts.of(caller.identity)
    if (source === undefined) return this.#refuse('NO_CERTIFICATE', caller.identity)
    this.#asked += 1
    const { address } = upstream.target.endpoint
    const { authority } = upstream.target
    const headers = [':method', 'CONNECT', ':authority', authority, 'baggage', baggageOf(caller.labels)]
    const session = { ...peer, source, address, port: this.#state.hbonePort, trustDomain: table.trustDomain }
    pool.open(session, headers, result => {
      if (result.kind === 'failed') {
        if (this.#gone) return this.#refuse('CLIENT_RESET', '')
        if (result.again === true && this.#asked < maxAsks) return this.#hbone(active, upstream, peer)
        // a verdict on the caller says nothing about the endpoint
        if (result.reason === 'AUTHORIZATION_DENIED') return this.#refuse(result.reason, upstream.target.authority)
        return this.#failed(active, upstream, result.reason, result.detail)
      }
      this.#carry(active, upstream, result.stream)
    })
  }

  #carry(active: ActiveCluster, upstream: Upstream, stream: HttpStream): void {
    if (this.#gone) {
      stream.reset(streamCancel)
      return this.#refuse('CLIENT_RESET', '')
    }
    active.cluster.report(upstream, 'tcp-connected')
    const record = this.#open(active, upstream, upstream.target.mesh === undefined ? 'none' : 'mutual_tls')
    splice(this.#socket, stream, {
      fromSocket: bytes => record.sent(bytes),
      fromStream: bytes => record.received(bytes),
      ended: (end, detail) => {
        upstream.state.end()
        record.end(end === 'ok' ? 'OK' : end === 'socket-reset' ? 'CLIENT_RESET' : 'UPSTREAM_RESET', detail)
      },
    })
  }

  /** To an address outside the mesh: an endpoint's, or the one that the caller was going to. */
  #plaintext(options: DialOptions, active?: ActiveCluster, endpoint?: Upstream): void {
    dialSocket(options, this.#state.clock, result => {
      if (result.kind === 'failed') {
        if (this.#gone) return this.#refuse('CLIENT_RESET', '')
        if (active === undefined || endpoint === undefined) return this.#refuse(result.reason, result.detail)
        return this.#failed(active, endpoint, result.reason, result.detail)
      }
      const upstream = result.socket
      if (this.#gone) {
        upstream.on('error', () => {})
        resetSocket(upstream)
        return this.#refuse('CLIENT_RESET', '')
      }
      if (endpoint !== undefined) active?.cluster.report(endpoint, 'tcp-connected')
      const record = this.#open(active, endpoint, 'none')
      join(this.#socket, upstream, (end, detail, sent, received) => {
        endpoint?.state.end()
        record.sent(sent)
        record.received(received)
        record.end(end === 'ok' ? 'OK' : end === 'socket-reset' ? 'CLIENT_RESET' : 'UPSTREAM_RESET', detail)
      })
    })
  }

  /** Tries the next endpoint: nothing of the caller's bytes has left this host yet. */
  #failed(active: ActiveCluster, upstream: Upstream, reason: Reason, detail: string): void {
    active.cluster.report(upstream, 'connect-failure')
    this.tried.add(upstream)
    this.#lastFailure = { reason, detail }
    if (this.tried.size >= maxTries) return this.#refuse(reason, detail)
    this.#state.telemetry.metrics.refused('outbound', reason)
    this.#try(active)
  }

  #open(
    active: ActiveCluster | undefined,
    upstream: Upstream | undefined,
    security: 'mutual_tls' | 'none',
  ): ConnectionRecord {
    const { telemetry } = this.#state
    const destination = active?.destination
    const counters = telemetry.metrics.counters({
      reporter: 'source',
      source: this.#call.caller.labels,
      destination: upstream?.target.labels ?? unknownPeer,
      service: destination?.host ?? 'unknown',
      serviceName: destination?.service.name ?? 'unknown',
      serviceNamespace: destination?.service.namespace ?? 'unknown',
      security,
    })
    upstream?.state.begin()
    return telemetry.open(this.#facts, counters, this.#call.since)
  }

  #releaseConnection(): void {
    if (!this.#holdsConnection) return
    this.#holdsConnection = false
    this.#active?.cluster.limits.release('connections')
  }

  /** A reset, so that the caller sees a refusal at once and not an empty answer. */
  #refuse(reason: Reason, detail: string): void {
    this.#releaseConnection()
    this.#state.telemetry.refuse(this.#facts, reason, detail, this.#call.since)
    this.#socket.resetAndDestroy()
  }
}
