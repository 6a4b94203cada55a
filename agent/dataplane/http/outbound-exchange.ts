import { applyCors } from '../../../mesh/routing/cors.ts'
import { mirrorsOf, timeoutOf } from '../../../mesh/routing/decide.ts'
import { setAttemptCount, setExpectedTimeout } from '../../../mesh/routing/envoy-headers.ts'
import { setField } from '../../../mesh/routing/header-fields.ts'
import { shapeRequest, shapeResponse } from '../../../mesh/routing/shape.ts'
import type { Timer } from '../../../mesh/std/clock.ts'
import { h2Error } from '../h2/frames.ts'
import type { Reason } from '../reasons.ts'
import type { ThreadState } from '../state.ts'
import type { Table } from '../table.ts'
import { unknownPeer } from '../telemetry/peer-labels.ts'
import { RequestRecord } from '../telemetry/request-record.ts'
import type { Cancellable, OpenResult } from '../transport/connection-pool.ts'
import type { Entrant } from '../upstream/admission.ts'
import type { ActiveCluster, Upstream } from '../upstream/clusters.ts'
import { type LocalOutcome, statusOfGrpc } from '../upstream/outlier.ts'
import { type LocalReply, localReply } from './local-replies.ts'
import { sendMirror } from './mirror.ts'
import { type Decision, decide, type OutboundConnection } from './outbound-decision.ts'
import { Relay, type RelayOwner } from './relay.ts'
import { describeRequest, grpcStatusOf, orderPseudoHeaders, stripOwnHeaders } from './request-facts.ts'
import { Retries } from './retries.ts'
import { type AttemptFailure, failureOfReset, isOwnFault } from './retry.ts'
import type { HeaderList, HttpStream } from './stream.ts'
import { undeliveredBecause } from './undelivered.ts'
import { UpstreamChoice } from './upstream-choice.ts'

type Forwarding = Extract<Decision, { kind: 'forward' }>

/** What may be sent again at most (features 2.21). */
const replayBytes = 64 * 1024

/**
 * One request of a local process: routed, sent to an endpoint, to another one when that fails and the route says so,
 * and reported. The table is taken once; whatever changes meanwhile is for the next request.
 */
export class OutboundExchange implements RelayOwner, Entrant {
  readonly #state: ThreadState
  readonly #connection: OutboundConnection
  readonly #headers: string[]
  readonly #record: RequestRecord
  readonly #relay: Relay
  #forwarding: Forwarding | undefined
  #active: ActiveCluster | undefined
  #choice: UpstreamChoice | undefined
  #upstream: Upstream | undefined
  #isAdmitted = false
  #isCounted = false
  #opening: Cancellable | undefined
  #timeoutMs: number | undefined
  #timeout: Timer | undefined
  #tryTimeout: Timer | undefined
  #pause: Timer | undefined
  #retries: Retries | undefined
  #sentAt = 0
  #headSeen = false
  /** The current attempt is at an agent of ours. */
  #isAgent = false

  constructor(
    state: ThreadState,
    down: HttpStream,
    headers: string[],
    endStream: boolean,
    connection: OutboundConnection,
  ) {
    const { clock, telemetry } = state
    this.#state = state
    this.#connection = connection
    this.#headers = headers
    orderPseudoHeaders(headers)
    const { labels } = connection.caller
    const record = new RequestRecord('outbound', clock.monotonic(), clock.now(), labels, unknownPeer)
    this.#record = record
    describeRequest(record, down, headers)
    record.downstreamRemoteAddress = connection.remoteAddress
    record.downstreamLocalAddress = connection.originalAddress
    this.#relay = new Relay(down, endStream, this, record, replayBytes, telemetry.passed)
    telemetry.openConnections += 1
    this.#begin()
  }

  #begin(): void {
    const { table, random, telemetry } = this.#state
    if (table === undefined) return this.#refuse('DRAINING', 'the agent is not ready')
    const decision = decide(table, this.#connection, this.#headers, this.#record, random)
    telemetry.http.trace(this.#record, this.#headers)
    if (decision.kind === 'pass-through') return this.#passThrough()
    if (decision.delayMs === 0) return this.#follow(table, decision)
    this.#pause = this.#state.clock.timer(decision.delayMs, () => {
      this.#pause = undefined
      this.#follow(table, decision)
    })
  }

  #follow(table: Table, decision: Exclude<Decision, { kind: 'pass-through' }>): void {
    if (decision.kind === 'reply') return this.#answer(decision.reply)
    const { destination, action, route } = decision
    const record = this.#record
    this.#forwarding = decision
    record.upstreamCluster = destination.cluster
    const active = this.#state.clusters.of(table, this.#connection.caller, destination)
    if (active === undefined) return this.#refuse('NO_CLUSTER', destination.cluster)
    this.#active = active
    const { service, host } = active.destination
    record.service = host
    record.serviceName = service.name
    record.serviceNamespace = service.namespace
    this.#timeoutMs = timeoutOf(route, this.#headers, record.isGrpc)
    if (this.#relay.requestEnded) this.#startTimeout()
    this.#choice = new UpstreamChoice(active, this.#connection, decision.pinned)
    this.#choice.readHash(this.#headers)
    shapeRequest(route, destination, this.#headers, record)
    this.#mirror(table, decision)
    if (action.retry === undefined) this.#relay.stopReplay()
    else this.#retries = new Retries(action.retry, active.cluster.limits)
    const entered = active.admission.enter(this, active.countsConnections)
    if (entered === 'passed') return this.admitted()
    if (entered === 'waits') this.#isAdmitted = true
    else this.#refuse('UPSTREAM_OVERFLOW', active.cluster.limits.describe(entered))
  }

  #mirror(table: Table, { route }: Forwarding): void {
    for (const destination of mirrorsOf(route, this.#state.random)) {
      const { hasNoBody } = this.#relay
      const { protocol } = this.#record
      const copy = sendMirror(this.#state, table, this.#connection, destination, this.#headers, protocol, hasNoBody)
      if (copy !== undefined && !hasNoBody) this.#relay.copyTo(copy)
    }
  }

  admitted(): void {
    this.#isAdmitted = true
    let settled = false
    const finding = this.#choice?.find(this.#headers, this.#state.names, problem => {
      settled = true
      this.#opening = undefined
      if (problem === undefined) this.#try()
      else this.#refuse('NO_HEALTHY_ENDPOINT', problem)
    })
    if (!settled) this.#opening = finding
  }

  /** On to where the caller was going, as it is: the mesh knows neither the name nor the address. */
  #passThrough(): void {
    const { destination, original } = this.#connection
    const record = this.#record
    record.upstreamCluster = 'PassthroughCluster'
    record.attempts = 1
    setAttemptCount(this.#headers, 1)
    record.routeName = 'allow_any'
    // What is hidden from the caller is to it as if it were not there; endpoints of the mesh take nothing in plaintext.
    const isOutside = destination === undefined || destination.service.external
    if (!isOutside || this.#state.table?.virtualIps.has(original.address) === true) {
      return this.#refuse('NO_ROUTE', record.authority)
    }
    record.service = record.authority
    record.serviceName = 'PassthroughCluster'
    record.upstreamHost = this.#connection.originalAddress
    this.#sentAt = this.#state.clock.monotonic()
    this.#opening = this.#state.upstreams.passThrough(
      original,
      record.protocol,
      this.#headers,
      this.#relay.hasNoBody,
      result => this.#opened(result),
    )
  }

  #try(): void {
    const [active, choice] = [this.#active, this.#choice]
    if (active === undefined || choice === undefined) return
    const { clock, upstreams } = this.#state
    const upstream = choice.next()
    if (upstream === undefined) return this.#refuse('NO_HEALTHY_ENDPOINT', choice.whyNone)
    this.#upstream = upstream
    const { target } = upstream
    const record = this.#record
    record.attempts = (this.#retries?.count ?? 0) + 1
    record.destination = target.labels
    record.upstreamHost = target.authority
    record.security = target.mesh === undefined ? 'none' : 'mutual_tls'
    upstream.state.begin()
    this.#isCounted = true
    this.#sentAt = clock.monotonic()
    const perTry = this.#forwarding?.action.retry?.perTryTimeoutMs
    if (perTry !== undefined) this.#tryTimeout = clock.timer(perTry, this.#onTryTimeout)
    let settled = false
    const opening = upstreams.open(
      {
        target,
        settings: choice.settings,
        caller: this.#connection.caller,
        port: active.destination.port.protocol,
        protocol: record.protocol,
        addresses: choice.addresses,
      },
      this.#headers,
      this.#relay.hasNoBody,
      result => {
        settled = true
        this.#opening = undefined
        this.#opened(result)
      },
    )
    if (!settled) this.#opening = opening
  }

  #opened(result: OpenResult): void {
    if (result.kind === 'open') {
      this.#record.upstreamLocalAddress = result.localAddress
      this.#isAgent = result.isAgent
      this.#report('connected')
      return this.#relay.attach(result.stream)
    }
    // What this side lacks is not the endpoint's fault, and no other endpoint makes up for it.
    if (isOwnFault(result.reason)) return this.#refuse(result.reason, result.detail)
    this.#unreached({ kind: 'connect' }, result.reason, result.detail)
  }

  #unreached(failure: AttemptFailure, reason: Reason, detail: string): void {
    this.#report('connect-failure')
    this.#record.transportFailure = detail
    this.#failed(failure, reason, detail)
  }

  responseHead(headers: HeaderList, endStream: boolean): void {
    const status = Number(headers[1])
    if (status < 200 && status !== 101) return this.#relay.respond(headers, false, true)
    const why = this.#isAgent && status >= 400 ? undeliveredBecause(headers) : undefined
    if (why !== undefined) return this.#unreached({ kind: 'undelivered', status }, 'CONNECT_REFUSED', why)
    const record = this.#record
    const grpcStatus = record.isGrpc ? grpcStatusOf(headers) : -1
    const upstream = this.#upstream
    if (upstream !== undefined) {
      this.#active?.cluster.answered(upstream, grpcStatus > 0 ? statusOfGrpc(grpcStatus) : status)
      this.#active?.cluster.reported(upstream, headers)
    }
    if (this.#retry({ kind: 'status', status, grpcStatus })) return
    this.#headSeen = true
    this.#listenForLoad()
    this.#tryTimeout?.cancel()
    record.status = status
    record.grpcStatus = grpcStatus
    record.codeDetails = 'via_upstream'
    record.upstreamServiceMs = Math.round(this.#state.clock.monotonic() - this.#sentAt)
    const answer = headers.slice()
    // Only agents speak for the mesh.
    if (!this.#isAgent) stripOwnHeaders(answer)
    this.#shape(answer)
    this.#relay.respond(answer, endStream, false)
  }

  #listenForLoad(): void {
    const [cluster, upstream] = [this.#active?.cluster, this.#upstream]
    if (cluster?.goesByLoad !== true || upstream === undefined) return
    this.#relay.onTrailers = trailers => cluster.reported(upstream, trailers)
  }

  #shape(answer: string[]): void {
    setField(answer, 'x-envoy-upstream-service-time', String(this.#record.upstreamServiceMs))
    const setCookie = this.#choice?.setCookie
    if (setCookie !== undefined) answer.push('set-cookie', setCookie)
    const forwarding = this.#forwarding
    if (forwarding === undefined) return
    shapeResponse(forwarding.route, forwarding.destination, answer, this.#record, this.#headers)
    if (forwarding.cors !== undefined) applyCors(forwarding.cors, answer)
  }

  upstreamReset(code: number, detail: string): void {
    this.#report('reset')
    if (this.#headSeen) {
      this.#note('UPSTREAM_RESET', detail, 'UC')
      this.#relay.abort()
      return this.#end()
    }
    const failure = failureOfReset(code, this.#isAgent, this.#record.method)
    this.#failed(failure, code === h2Error.protocol ? 'BAD_HTTP_RESPONSE' : 'UPSTREAM_RESET', detail)
  }

  #failed(failure: AttemptFailure, reason: Reason, detail: string): void {
    if (!this.#retry(failure)) this.#refuse(reason, detail)
  }

  /** Tries again if the route asks for it, its limits allow it, and the request can be sent once more; else false. */
  #retry(failure: AttemptFailure): boolean {
    const retries = this.#retries
    if (retries === undefined || !this.#relay.replayable) return false
    const pauseMs = retries.next(failure, this.#upstream, this.#state.random)
    if (pauseMs === undefined) {
      if (retries.exhausted) this.#record.flags = 'URX'
      return false
    }
    this.#leaveAttempt()
    this.#choice?.pass(retries.tried, retries.leaving)
    this.#pause = this.#state.clock.timer(pauseMs, () => {
      this.#pause = undefined
      setAttemptCount(this.#headers, retries.count + 1)
      if (this.#forwarding !== undefined && this.#timeoutMs !== undefined) {
        const elapsed = this.#state.clock.monotonic() - this.#record.since
        setExpectedTimeout(this.#forwarding.route, this.#headers, this.#record.isGrpc, this.#timeoutMs, elapsed)
      }
      this.#try()
    })
    return true
  }

  /** Done with the current attempt, however it ended. */
  #leaveAttempt(): void {
    this.#tryTimeout?.cancel()
    this.#tryTimeout = undefined
    this.#opening?.cancel()
    this.#opening = undefined
    this.#relay.detach()
    if (!this.#isCounted) return
    this.#isCounted = false
    this.#upstream?.state.end()
  }

  readonly #onTryTimeout = (): void => {
    this.#tryTimeout = undefined
    this.#report('timeout')
    this.#failed({ kind: 'per-try-timeout' }, 'PER_TRY_TIMEOUT', '')
  }

  #startTimeout(): void {
    if (this.#timeoutMs === undefined || this.#timeout !== undefined) return
    this.#timeout = this.#state.clock.timer(this.#timeoutMs, () => {
      this.#timeout = undefined
      if (!this.#headSeen) {
        this.#report('timeout')
        return this.#refuse('REQUEST_TIMEOUT', '')
      }
      this.#note('REQUEST_TIMEOUT', 'the response was not complete in time', 'UT')
      this.#relay.abort()
      this.#end()
    })
  }

  requestComplete(): void {
    this.#startTimeout()
  }

  callerGone(_code: number, reason: string): void {
    this.#note('CLIENT_RESET', reason, 'DC')
    this.#record.codeDetails = 'downstream_remote_disconnect'
    this.#end()
  }

  finished(): void {
    this.#end()
  }

  #report(outcome: LocalOutcome): void {
    if (this.#upstream !== undefined) this.#active?.cluster.report(this.#upstream, outcome)
  }

  #refuse(reason: Reason, detail: string): void {
    const { isGrpc, rule, flags } = this.#record
    const about = rule === 'default' || detail !== '' ? '' : rule
    this.#answer(localReply(reason, { isGrpc, detail, rule: about, flags, retried: this.#record.attempts > 1 }), detail)
  }

  #answer(reply: LocalReply, detail = ''): void {
    const record = this.#record
    this.#leaveAttempt()
    record.status = reply.status
    record.grpcStatus = reply.grpcStatus
    record.reason = reply.reason
    record.detail = detail
    record.flags = reply.flags
    record.codeDetails = reply.details
    this.#headSeen = true
    this.#relay.reply(reply.headers, reply.body)
  }

  #note(reason: Reason, detail: string, flags: string): void {
    this.#record.reason = reason
    this.#record.detail = detail
    this.#record.flags = flags
  }

  #end(): void {
    const { telemetry } = this.#state
    this.#timeout?.cancel()
    this.#pause?.cancel()
    this.#leaveAttempt()
    this.#retries?.release()
    if (this.#isAdmitted) this.#active?.admission.leave(this, this.#active.countsConnections)
    this.#isAdmitted = false
    telemetry.openConnections -= 1
    telemetry.http.finish(this.#record)
  }
}
