import { fieldOf, removeField, setField } from '../../../mesh/routing/header-fields.ts'
import { normalizePath } from '../../../mesh/routing/path.ts'
import { h2Error } from '../h2/frames.ts'
import type { InboundPeer } from '../hbone/inbound-requests.ts'
import type { LiveCall } from '../policy/live-calls.ts'
import { RequestJudge, type RequestRefusal } from '../policy/request-judge.ts'
import type { Reason } from '../reasons.ts'
import type { ThreadState } from '../state.ts'
import type { LocalTarget } from '../table.ts'
import { RequestRecord } from '../telemetry/request-record.ts'
import type { Cancellable, Reuse } from '../transport/connection-pool.ts'
import { localOrigin } from '../transport/origins.ts'
import { protocolField } from '../transport/upstreams.ts'
import type { Entrant } from '../upstream/admission.ts'
import type { LocalLimits } from '../upstream/inbound-limits.ts'
import { type LocalReply, localReply } from './local-replies.ts'
import { Relay, type RelayOwner } from './relay.ts'
import { describeRequest, grpcStatusOf, orderPseudoHeaders, pseudo, stripOwnHeaders } from './request-facts.ts'
import { asksForRetry, isIdempotent } from './retry.ts'
import type { HeaderList, HttpProtocol, HttpStream } from './stream.ts'

const replayBytes = 64 * 1024

/**
 * One request for a local workload: checked, delivered to its process, and reported. The caller's identity was proved
 * by the connection; nothing in the request can change it.
 */
export class InboundExchange implements RelayOwner, Entrant, LiveCall {
  readonly #state: ThreadState
  #protocol: HttpProtocol
  readonly #headers: string[]
  readonly #caller: InboundPeer
  readonly #target: LocalTarget
  readonly #record: RequestRecord
  readonly #relay: Relay
  readonly #judge: RequestJudge
  #opening: Cancellable | undefined
  #bounds: LocalLimits | undefined
  #fresh = false
  #attempts = 0
  #headSeen = false
  #sentAt = 0
  #isJudged = false
  #isOver = false

  constructor(
    state: ThreadState,
    down: HttpStream,
    headers: string[],
    endStream: boolean,
    caller: InboundPeer,
    target: LocalTarget,
  ) {
    const { clock, telemetry } = state
    this.#state = state
    this.#protocol = caller.identity === '' ? down.protocol : 'HTTP/1.1'
    this.#headers = headers
    this.#caller = caller
    this.#target = target
    const record = new RequestRecord('inbound', clock.monotonic(), clock.now(), caller.labels, target.labels)
    this.#record = record
    orderPseudoHeaders(headers)
    describeRequest(record, down, headers)
    record.security = caller.identity === '' ? 'none' : 'mutual_tls'
    record.service = target.service.host
    record.serviceName = target.service.name
    record.serviceNamespace = target.service.namespace
    record.downstreamRemoteAddress = caller.address
    record.upstreamHost = target.to.text
    record.upstreamCluster = target.cluster
    record.routeName = 'default'
    this.#relay = new Relay(down, endStream, this, record, replayBytes, telemetry.passed)
    this.#judge = new RequestJudge(state, headers, caller, target, record)
    telemetry.openConnections += 1
    state.liveCalls.add(this)
    this.#start(caller)
  }

  get authority(): string {
    return this.#target.authority
  }

  #start(caller: InboundPeer): void {
    const headers = this.#headers
    // A caller's agent says what its application spoke.
    if (caller.identity !== '' && fieldOf(headers, protocolField) === 'h2') this.#protocol = 'HTTP/2'
    // Callers in plaintext, and agents that are not ours, may not have done it.
    const path = normalizePath(headers[pseudo.path] ?? '', this.#state.table?.pathNormalization ?? 'DEFAULT')
    if (path === undefined) return this.#refuse('BAD_HTTP_REQUEST', 'the path cannot be brought into one form')
    headers[pseudo.path] = path
    stripOwnHeaders(headers)
    forwardCertificate(headers, caller)
    this.#state.telemetry.http.trace(this.#record, headers)
    if (isMisdirected(headers[pseudo.authority] ?? '', caller.serverName)) {
      return this.#refuse('MISDIRECTED', `the handshake was for ${caller.serverName}`)
    }
    const refusal = this.#judge.judge()
    if (refusal instanceof Promise) void refusal.then(settled => this.#judged(settled))
    else this.#judged(refusal)
  }

  #judged(refusal: RequestRefusal | undefined): void {
    if (this.#isOver) return
    this.#isJudged = true
    // tokens that are no good say nothing about who may call
    if (refusal === undefined || refusal.reply.reason === 'AUTHORIZATION_DENIED') {
      this.#state.flows?.saw(this.#caller, this.#target, refusal === undefined, this.#judge)
    }
    if (refusal === undefined) this.#enter()
    else this.#answer(refusal.reply, refusal.detail)
  }

  /** One that waits for its token to be checked is judged when that is done. */
  judgeAgain(target: LocalTarget): void {
    const why = this.#isJudged ? this.#judge.judgeAgain(target) : undefined
    if (why === undefined) return
    if (!this.#headSeen) return this.#refuse('AUTHORIZATION_DENIED', why)
    this.#opening?.cancel()
    this.#fail('AUTHORIZATION_DENIED', why)
    this.#relay.abort()
  }

  /** Within the limits of the workload's inbound pool, if it has one. */
  #enter(): void {
    const { table, inboundLimits } = this.#state
    const bounds = table && inboundLimits.of(table, this.#target)
    if (bounds === undefined) return this.#try()
    const entered = bounds.admission.enter(this, bounds.countsConnections)
    if (entered !== 'passed' && entered !== 'waits') {
      return this.#refuse('UPSTREAM_OVERFLOW', bounds.limits.describe(entered))
    }
    this.#bounds = bounds
    if (entered === 'passed') this.#try()
  }

  admitted(): void {
    this.#try()
  }

  #try(): void {
    this.#attempts += 1
    this.#record.attempts = this.#attempts
    this.#sentAt = this.#state.clock.monotonic()
    const origin = localOrigin(this.#target, this.#protocol, this.#state)
    let settled = false
    const opening = this.#state.connections.open(
      origin,
      this.#headers,
      this.#relay.hasNoBody,
      this.#reuse(),
      result => {
        settled = true
        this.#opening = undefined
        if (result.kind === 'failed') return this.#refuse('LOCAL_CONNECT', result.detail)
        this.#fresh = result.fresh
        this.#record.upstreamLocalAddress = result.localAddress
        this.#relay.attach(result.stream)
      },
    )
    if (!settled) this.#opening = opening
  }

  #reuse(): Reuse {
    // Once a kept connection was lost, the next try does not take its chances with another one.
    if (this.#attempts > 1) return 'none'
    // The application may close a kept one just now, and then nobody could tell whether it has read the request.
    return isIdempotent(this.#record.method) ? 'any' : 'recent'
  }

  responseHead(headers: HeaderList, endStream: boolean): void {
    const status = Number(headers[1])
    if (status < 200 && status !== 101) return this.#relay.respond(headers, false, true)
    this.#headSeen = true
    const record = this.#record
    const answer = headers.slice()
    stripOwnHeaders(answer)
    record.status = status
    record.codeDetails = 'via_upstream'
    record.upstreamServiceMs = Math.round(this.#state.clock.monotonic() - this.#sentAt)
    if (record.isGrpc) record.grpcStatus = grpcStatusOf(headers)
    setField(answer, 'x-envoy-upstream-service-time', String(record.upstreamServiceMs))
    this.#relay.respond(answer, endStream, false)
  }

  upstreamReset(code: number, detail: string): void {
    if (this.#headSeen) {
      this.#record.flags = 'UC'
      this.#fail('UPSTREAM_RESET', detail)
      return this.#relay.abort()
    }
    // A process closes a kept connection whenever it likes: that may have crossed with this request, or it was read.
    const mayRepeat = code === h2Error.refusedStream || isIdempotent(this.#record.method)
    if (mayRepeat && !this.#fresh && this.#relay.replayable && this.#mayRetry()) return this.#try()
    this.#refuse('UPSTREAM_RESET', detail)
  }

  /** At once: the next connection is a new one. */
  #mayRetry(): boolean {
    const policy = this.#state.table?.inboundRetries
    return policy !== undefined && this.#attempts <= policy.attempts && asksForRetry(policy, { kind: 'unread' })
  }

  callerGone(_code: number, reason: string): void {
    this.#opening?.cancel()
    this.#record.flags = 'DC'
    this.#record.codeDetails = 'downstream_remote_disconnect'
    this.#fail('CLIENT_RESET', reason)
  }

  requestComplete(): void {}

  finished(): void {
    this.#report()
  }

  #refuse(reason: Reason, detail: string): void {
    // which policy there is, is for those who may read policies
    const told = reason === 'AUTHORIZATION_DENIED' ? '' : detail
    this.#answer(localReply(reason, { isGrpc: this.#record.isGrpc, detail: told, rule: '' }), detail)
  }

  #answer({ reason, headers, body, status, flags, details, grpcStatus }: LocalReply, detail: string): void {
    const record = this.#record
    this.#opening?.cancel()
    record.status = status
    record.flags = flags
    record.codeDetails = details
    record.reason = reason
    record.detail = detail
    if (record.isGrpc) record.grpcStatus = grpcStatus
    this.#relay.reply(headers, body)
  }

  #fail(reason: Reason, detail: string): void {
    this.#record.reason = reason
    this.#record.detail = detail
    this.#report()
  }

  #report(): void {
    const { telemetry, liveCalls } = this.#state
    this.#isOver = true
    liveCalls.delete(this)
    this.#bounds?.admission.leave(this, this.#bounds.countsConnections)
    this.#bounds = undefined
    telemetry.openConnections -= 1
    telemetry.http.finish(this.#record)
  }
}

/**
 * Tells the application who calls, in Envoy's x-forwarded-client-cert: the caller itself and nobody else, whatever it says
 * of others (SANITIZE_SET).
 */
function forwardCertificate(headers: string[], caller: InboundPeer): void {
  if (caller.identity === '') return removeField(headers, 'x-forwarded-client-cert')
  const own = `By=${caller.served};Hash=${caller.certificateHash};Subject="";URI=${caller.identity}`
  setField(headers, 'x-forwarded-client-cert', own)
}

/** Whether a request is for another host than the TLS that ended here was made for (RFC 9110 section 15.5.20). */
function isMisdirected(authority: string, serverName: string): boolean {
  if (serverName === '') return false
  const port = authority.lastIndexOf(':')
  const host = (port === -1 ? authority : authority.slice(0, port)).toLowerCase()
  return withoutDot(host) !== withoutDot(serverName.toLowerCase())
}

function withoutDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}
