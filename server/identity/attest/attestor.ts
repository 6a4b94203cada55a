import { MeshError } from '../../../mesh/std/errors.ts'
import type { NodeRecord } from '../../store/store.ts'

/** Kinds of evidence that a host can bring when it joins. */
export const evidenceKinds = ['join-token', 'nomad', 'kubernetes', 'consul', 'x509', 'aws', 'gcp', 'azure'] as const

export type EvidenceKind = (typeof evidenceKinds)[number]

/** What a host brings: a token, or a document, as text. */
export interface Evidence {
  readonly kind: EvidenceKind
  readonly payload: string
}

/** Who brings it. */
export interface AttestContext {
  /** The node that the host says it is: evidence that proves another one is refused later, by whoever admits. */
  readonly node: string
  /** SHA-256 of the public key (SPKI) whose possession the request has proved, hex. */
  readonly keyHash: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** What is known of that node already. */
  readonly previous?: NodeRecord | undefined
  readonly signal: AbortSignal
}

/**
 * How much evidence is worth, from 1 to 5: 5 hardware, 4 a scheduler's word, 3 an operator's, 2 a registration that only
 * the node itself may make, 1 one that anybody may make. Nothing is issued for 1.
 */
export type Grade = 1 | 2 | 3 | 4 | 5

/** What evidence has proved. */
export interface Attested {
  readonly kind: EvidenceKind
  readonly grade: Grade
  /** The one node that it is of; absent when it names none, and a JoinPolicy has to. */
  readonly node?: string
  /** What stays the same as long as it is the same machine, and is never given to another one. */
  readonly instance: string
  /** What JoinPolicies choose by: names and values as the issuer wrote them. */
  readonly claims: Readonly<Record<string, string>>
  /** Set where one proof may be used by one key only. */
  readonly proof?: Proof
  /** Of a join token: what it says its node may be. */
  readonly identities?: readonly string[]
  /** Of a join token that was used before by the same host: nothing is to be recorded. */
  readonly repeated?: boolean
}

/** What makes a piece of evidence itself. */
export interface Proof {
  /** Unique among all evidence of its kind. */
  readonly id: string
  /** Until when it is to be remembered, milliseconds since 1970. */
  readonly expiresAt: number
}

/** Judges one kind of evidence. */
export interface Attestor {
  /**
   * What the evidence proves. Throws WEFT_EVIDENCE_REFUSED with the reason, which is for the log and not for whoever
   * brought it; WEFT_REGISTRY_UNAVAILABLE when who has to be asked does not answer; the signal's reason after an abort.
   */
  attest(evidence: Evidence, context: AttestContext): Promise<Attested>
}

/** The largest evidence that is looked at, in bytes: RSA certificates with their chain fit. */
export const maxEvidenceBytes = 32 * 1024

/** When proofs expire that stand for a machine and not for one document: a machine has one key as long as it lives. */
export const forEver = Number.MAX_SAFE_INTEGER

/** A refusal with its reason. */
export function refused(reason: string, fields: Readonly<Record<string, unknown>> = {}, cause?: unknown): MeshError {
  return new MeshError('WEFT_EVIDENCE_REFUSED', reason, { fields, cause })
}

/** Throws WEFT_EVIDENCE_REFUSED for what is empty or too large to be looked at, and the signal's reason. */
export function checkEvidence({ payload }: Evidence, signal: AbortSignal): void {
  signal.throwIfAborted()
  if (payload === '') throw refused('evidence is empty')
  if (payload.length > maxEvidenceBytes || Buffer.byteLength(payload) > maxEvidenceBytes) {
    throw refused('evidence is too large', { maxBytes: maxEvidenceBytes })
  }
}
