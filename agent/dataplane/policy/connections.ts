import type { Reason } from '../reasons.ts'
import type { LocalTarget } from '../table.ts'
import type { ConnectionFacts, Telemetry } from '../telemetry/telemetry.ts'
import { type PolicyPeer, policyCall } from './calls.ts'
import type { LiveCall } from './live-calls.ts'
import type { PreparedPolicy } from './target-policy.ts'
import { auditText, denialText, dryRunText, ruleText } from './verdict-text.ts'

/** Judges a connection as such, and notes what was found for its line in the log. Undefined when it may pass. */
export function refusalOf(
  peer: PolicyPeer,
  target: LocalTarget,
  facts: ConnectionFacts,
  telemetry: Telemetry,
): string | undefined {
  const { tcp } = target.policy.prepared
  if (tcp.isEmpty) return undefined
  const verdict = tcp.judge(policyCall(peer, target, undefined))
  const { allowed, by, audited, dryRun } = verdict
  facts.policy = ruleText(by)
  facts.audit = auditText(audited)
  if (dryRun !== undefined) {
    facts.dryRun = facts.dryRun === '' ? dryRunText(dryRun) : `${facts.dryRun}; ${dryRunText(dryRun)}`
    telemetry.dryRuns.count('AuthorizationPolicy', dryRun.by, dryRun.allowed)
  }
  return allowed ? undefined : denialText(verdict)
}

/** Says what a PeerAuthentication of a dry run would do to a caller in plaintext; undefined when nothing else. */
export function plaintextDryRun({ port }: LocalTarget, telemetry: Telemetry): string | undefined {
  const { mtls, mtlsDryRun } = port
  if (mtlsDryRun === undefined) return undefined
  const isAllowed = mtlsDryRun.mode !== 'STRICT'
  if (isAllowed === (mtls !== 'STRICT')) return undefined
  telemetry.dryRuns.count('PeerAuthentication', { policy: mtlsDryRun.from }, isAllowed)
  return `would be ${isAllowed ? 'allowed' : 'denied'} by PeerAuthentication ${mtlsDryRun.from}`
}

/** A connection that was let through, and is judged again whenever its target's policies change. */
export class LiveConnection implements LiveCall {
  readonly authority: string
  readonly #peer: PolicyPeer
  readonly #cut: (reason: Reason, detail: string) => void
  /** Undefined for one whose requests are judged one by one. */
  #judgedBy: PreparedPolicy | undefined

  /** `cut` ends it, and is called once at most. */
  constructor(
    peer: PolicyPeer,
    target: LocalTarget,
    judgedBy: PreparedPolicy | undefined,
    cut: (reason: Reason, detail: string) => void,
  ) {
    this.authority = target.authority
    this.#peer = peer
    this.#judgedBy = judgedBy
    this.#cut = cut
  }

  judgeAgain(target: LocalTarget): void {
    const { mtls, mtlsFrom } = target.port
    if (this.#peer.principal === undefined && mtls === 'STRICT') {
      return this.#cut('MTLS_REQUIRED', `PeerAuthentication ${mtlsFrom}`)
    }
    if (this.#judgedBy === undefined) return
    const { prepared } = target.policy
    if (prepared === this.#judgedBy) return
    this.#judgedBy = prepared
    const verdict = prepared.tcp.judge(policyCall(this.#peer, target, undefined))
    if (!verdict.allowed) this.#cut('AUTHORIZATION_DENIED', denialText(verdict))
  }
}
