import type { PolicyRequest, VerifiedToken } from '../../../mesh/policy/call.ts'
import { remoteIpOf } from '../../../mesh/policy/remote-ip.ts'
import type { TokenOutcome } from '../../../mesh/policy/request-authentication/token-outcome.ts'
import { removeField } from '../../../mesh/routing/header-fields.ts'
import type { InboundPeer } from '../hbone/inbound-requests.ts'
import { type LocalReply, localReply, tokenReply } from '../http/local-replies.ts'
import { pseudo } from '../http/request-facts.ts'
import type { ThreadState } from '../state.ts'
import type { LocalTarget } from '../table.ts'
import type { RequestRecord } from '../telemetry/request-record.ts'
import { carriesBytes, policyCall, withPolicyOf } from './calls.ts'
import type { PreparedPolicy } from './target-policy.ts'
import { auditText, denialDetails, denialText, dryRunText, ruleText } from './verdict-text.ts'

/** Why a request is answered here, and not by its application. */
export interface RequestRefusal {
  readonly reply: LocalReply
  /** For the log. */
  readonly detail: string
}

/**
 * The policies of one request: its token first, then whether it may pass. The request's headers are in the form in which
 * they are forwarded, and are changed in place as the rules of its token say.
 */
export class RequestJudge {
  readonly #state: Pick<ThreadState, 'table' | 'clock' | 'telemetry'>
  readonly #headers: string[]
  readonly #peer: InboundPeer
  readonly #target: LocalTarget
  readonly #record: RequestRecord
  #token: VerifiedToken | undefined
  #judgedBy: PreparedPolicy | undefined

  constructor(
    state: Pick<ThreadState, 'table' | 'clock' | 'telemetry'>,
    headers: string[],
    peer: InboundPeer,
    target: LocalTarget,
    record: RequestRecord,
  ) {
    this.#state = state
    this.#headers = headers
    this.#peer = peer
    this.#target = target
    this.#record = record
    if (peer.dryRun !== '') record.dryRun = peer.dryRun
  }

  get method(): string {
    return this.#headers[pseudo.method] ?? ''
  }

  get path(): string {
    return this.#headers[pseudo.path] ?? ''
  }

  /** `<iss>/<sub>` of the verified token; empty without one. */
  get principal(): string {
    return this.#token?.principal ?? ''
  }

  /** Undefined when the request may pass. A promise only where the signature of a token has to be checked. */
  judge(): RequestRefusal | undefined | Promise<RequestRefusal | undefined> {
    const { tokens } = withPolicyOf(this.#state.table, this.#target).policy.prepared
    if (tokens === undefined || carriesBytes(this.#target)) return this.#authorize()
    const headers = this.#headers
    const request = {
      method: headers[pseudo.method] ?? '',
      scheme: this.#peer.principal === undefined ? 'http' : 'https',
      authority: headers[pseudo.authority] ?? '',
      path: headers[pseudo.path] ?? '',
      headers,
    } as const
    const outcome = tokens.authenticate(request, this.#state.clock.now())
    return outcome instanceof Promise ? outcome.then(settled => this.#told(settled)) : this.#told(outcome)
  }

  /** Why the request, which had been let through, may not go on; undefined when it may. */
  judgeAgain(target: LocalTarget): string | undefined {
    const { prepared } = target.policy
    if (prepared === this.#judgedBy) return undefined
    this.#judgedBy = prepared
    const verdict = this.#authorization(prepared).judge(this.#call(target))
    return verdict.allowed ? undefined : denialText(verdict)
  }

  #told(outcome: TokenOutcome): RequestRefusal | undefined {
    const { dryRun } = outcome
    if (dryRun !== undefined) {
      const by = dryRun.kind === 'none' ? undefined : dryRun.by
      const isAllowed = dryRun.kind !== 'refused'
      this.#state.telemetry.dryRuns.count('RequestAuthentication', by, isAllowed)
      const told = isAllowed ? 'would be accepted' : `would be refused (${dryRun.reason})`
      this.#noteDryRun(`the token ${told}${by === undefined ? '' : ` by ${ruleText(by)}`}`)
    }
    if (outcome.kind === 'refused') {
      this.#record.rule = ruleText(outcome.by)
      return { reply: tokenReply(outcome, this.#record.isGrpc), detail: outcome.reason }
    }
    const headers = this.#headers
    const { remove, set, path } = outcome.operations
    for (const name of remove) removeField(headers, name)
    if (path !== undefined) headers[pseudo.path] = path
    for (const text of set) headers.push(text)
    if (outcome.kind === 'verified') this.#token = outcome.token
    return this.#authorize()
  }

  #authorize(): RequestRefusal | undefined {
    const target = withPolicyOf(this.#state.table, this.#target)
    const { prepared } = target.policy
    this.#judgedBy = prepared
    const authorization = this.#authorization(prepared)
    if (authorization.isEmpty) return undefined
    const verdict = authorization.judge(this.#call(target))
    const { allowed, by, audited, dryRun } = verdict
    const record = this.#record
    record.rule = ruleText(by)
    record.audit = auditText(audited)
    if (dryRun !== undefined) {
      this.#state.telemetry.dryRuns.count('AuthorizationPolicy', dryRun.by, dryRun.allowed)
      this.#noteDryRun(dryRunText(dryRun))
    }
    if (allowed) return undefined
    const reply = localReply('AUTHORIZATION_DENIED', { isGrpc: record.isGrpc, detail: '', rule: '' })
    return { reply: { ...reply, details: denialDetails(verdict) }, detail: denialText(verdict) }
  }

  /** Of bytes, where the port declares them: a caller's agent does not decide how its calls are judged. */
  #authorization(prepared: PreparedPolicy) {
    return carriesBytes(this.#target) ? prepared.tcp : prepared.http
  }

  #call(target: LocalTarget) {
    return policyCall(this.#peer, target, carriesBytes(this.#target) ? undefined : this.#request())
  }

  #request(): PolicyRequest {
    const headers = this.#headers
    return {
      method: headers[pseudo.method] ?? '',
      path: headers[pseudo.path] ?? '',
      authority: headers[pseudo.authority] ?? '',
      headers,
      remoteIp: remoteIpOf(headers, this.#peer.ip),
      token: this.#token,
    }
  }

  #noteDryRun(text: string): void {
    const { dryRun } = this.#record
    this.#record.dryRun = dryRun === '' ? text : `${dryRun}; ${text}`
  }
}
