import { parseCsr } from '../../mesh/identity/csr.ts'
import { spkiHash } from '../../mesh/identity/keys.ts'
import { agentSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { NodeRecord, NodeStore, ProofStore } from '../store/store.ts'
import type { Admission } from './admission.ts'
import type { Attested, Attestor, Evidence, EvidenceKind } from './attest/attestor.ts'
import type { Authority } from './authority.ts'

export interface JoinRequest {
  readonly evidence: Evidence
  readonly node: string
  /** PKCS#10, DER. */
  readonly csr: Uint8Array
}

export interface Joined {
  /** Certificate of the agent and the issuing certificate, PEM. */
  readonly chain: readonly string[]
  /** Root certificates, PEM. */
  readonly roots: readonly string[]
  readonly trustDomain: string
}

export interface JoinDeps {
  /** Those that the operator has set up, and join tokens. */
  readonly attestors: ReadonlyMap<EvidenceKind, Attestor>
  /** What JoinPolicies say now. */
  readonly admission: () => Pick<Admission, 'admitting' | 'lifeMs'>
  readonly nodes: NodeStore
  readonly proofs: ProofStore
  readonly authority: Pick<Authority, 'trustDomain' | 'trustBundle' | 'issue'>
  readonly clock: Clock
  readonly log: Log
  /** Life of the agent's certificate; the authority's default when left out. */
  readonly leafTtlMs?: number
}

/** Answers a host that joins; the signal is that of its request. */
export type Join = (request: JoinRequest, signal: AbortSignal) => Promise<Joined>

/**
 * Admits a node by its evidence: what it proves must be let in by a JoinPolicy, or be a join token; then the node is
 * recorded with it, and gets the certificate of its agent. What costs least is checked first. Throws WEFT_CSR_REFUSED for
 * a bad request, WEFT_TOKEN_REFUSED or WEFT_EVIDENCE_REFUSED for everything about the evidence or the node, and
 * WEFT_REGISTRY_UNAVAILABLE when nobody could check it; the caller learns no more than that, the log has the reason.
 */
export function joinNode(deps: JoinDeps): Join {
  const { nodes, proofs, authority, clock, log } = deps
  const alone = createTurns()

  return async ({ evidence, node, csr }, signal) => {
    const { kind } = evidence
    const refuse = (reason: string, fields: Readonly<Record<string, unknown>> = {}): MeshError => {
      log.warn('join refused', { ...fields, node: node.slice(0, 253), evidence: kind, reason })
      return opaque(kind, node)
    }
    let identity: string
    try {
      identity = agentSpiffeId(authority.trustDomain, node)
    } catch {
      throw refuse('node name cannot be an identity')
    }
    const publicKey = parseCsr(csr)
    const keyHash = spkiHash(publicKey)
    const now = clock.now()

    // These come before the evidence is used up, so that a copied disk does not burn that of the right host.
    const known = await nodes.list()
    const previous = known.find(({ name }) => name === node)
    if (previous?.banned === true) throw refuse('node is banned')
    if (known.some(other => other.name !== node && other.keyHash === keyHash)) {
      throw refuse('key is in use by another node')
    }
    const attestor = deps.attestors.get(kind)
    if (attestor === undefined) throw refuse('no attestor of this kind is set up')

    let attested: Attested
    try {
      attested = await attestor.attest(evidence, { node, keyHash, now, previous, signal })
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      if (error.code === 'WEFT_EVIDENCE_REFUSED') throw refuse(error.message, error.fields)
      log.warn('evidence of a host that joins cannot be checked', { node, evidence: kind, reason: error.message })
      throw new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'evidence cannot be checked now', {
        next: 'try again in a minute; the log of the server says what is missing',
      })
    }
    const record = await alone(async () => {
      const latest = await nodes.get(node)
      if (latest?.banned === true) throw refuse('node is banned')
      const reason = whyNot(attested, node, keyHash, latest, deps.admission())
      if (reason !== undefined) throw refuse(reason, { grade: attested.grade, claims: attested.claims })
      if (attested.proof !== undefined) {
        const used = await proofs.use({ kind, ...attested.proof, node, keyHash }, now)
        const isSame = used === 'again' && latest?.keyHash === keyHash
        if (used !== 'new' && !isSame) throw refuse('evidence was used before', { claims: attested.claims })
      }
      const fresh = recordOf(attested, { node, keyHash, now })
      if (attested.repeated !== true) await nodes.put(fresh)
      return fresh
    })
    if (attested.repeated === true) {
      log.info('join answered again', { node, ...attested.claims })
    } else {
      log.info('node joined', { node, evidence: kind, ...attested.claims, identities: record.identities })
    }
    const recipient = { node, evidence: kind === 'join-token' ? 'join' : `join with ${kind}` }
    const lifeMs = Math.min(deps.leafTtlMs ?? Number.POSITIVE_INFINITY, deps.admission().lifeMs(record) ?? Infinity)
    const { chain } = authority.issue(identity, publicKey, Number.isFinite(lifeMs) ? lifeMs : undefined, recipient)
    return { chain, roots: authority.trustBundle.roots, trustDomain: authority.trustDomain }
  }
}

/** What the caller is told, whatever the reason. */
function opaque(kind: EvidenceKind, node: string): MeshError {
  return kind === 'join-token'
    ? new MeshError('WEFT_TOKEN_REFUSED', 'join token is not valid for this node', { fields: { node } })
    : new MeshError('WEFT_EVIDENCE_REFUSED', 'evidence is not good for this node', { fields: { node } })
}

/** Why good evidence does not make a host this node. */
function whyNot(
  attested: Attested,
  node: string,
  keyHash: string,
  previous: NodeRecord | undefined,
  admission: Pick<Admission, 'admitting'>,
): string | undefined {
  if (attested.node !== undefined && attested.node !== node) return `evidence is of node ${attested.node}`
  if (attested.kind === 'join-token') return undefined
  if (admission.admitting(attested, node).length === 0) return 'no JoinPolicy lets this evidence in as this node'
  if (previous === undefined || previous.keyHash === keyHash) return undefined
  const before = previous.evidence
  if (before?.kind === attested.kind && before.instance === attested.instance) return undefined
  return 'another machine has joined under this name'
}

function recordOf(
  { kind, grade, instance, claims, identities = [] }: Attested,
  { node, keyHash, now }: { readonly node: string; readonly keyHash: string; readonly now: number },
): NodeRecord {
  const record = { name: node, identities, joinedAt: now, keyHash, banned: false }
  return kind === 'join-token' ? record : { ...record, evidence: { kind, grade, instance, claims, at: now } }
}

/** Runs one after the other: two hosts that join as one node must see each other. */
function createTurns(): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return task => {
    const mine = last.then(task)
    last = mine.catch(() => {})
    return mine
  }
}
