import { parseCsr } from '../../mesh/identity/csr.ts'
import { spkiHash } from '../../mesh/identity/keys.ts'
import { formatSpiffeId, parseSpiffeId, type SpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { assertNever } from '../../mesh/std/assert-never.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { NodeRecord, NodeStore } from '../store/store.ts'
import type { Admission } from './admission.ts'
import type { Authority } from './authority.ts'
import { mayHold } from './placement.ts'

export interface SignRequest {
  /** The node whose session asks. */
  readonly node: string
  /** The SPIFFE id the session's client certificate proved. */
  readonly currentIdentity: string
  /** The SPIFFE id that is wanted. */
  readonly identity: string
  /** PKCS#10, DER; only its key is used. */
  readonly csr: Uint8Array
}

export interface SignerDeps {
  readonly authority: Pick<Authority, 'trustDomain' | 'issue'>
  readonly nodes: Pick<NodeStore, 'get'>
  /** All workloads, as the registries tell them now. */
  readonly workloads: () => Iterable<Workload>
  /** Whether only an operator can write into the registry of that name. */
  readonly operatorDeclared: (registry: string) => boolean
  /** What JoinPolicies say now; without it only nodes with join tokens are signed for. */
  readonly admission?: () => Admission
  readonly log: Log
  /** Life of the certificates; the authority's default when left out. */
  readonly leafTtlMs?: number
}

export interface Signer {
  /**
   * Gives the chain (leaf, issuing certificate; PEM) for an identity that the node may hold. Throws
   * WEFT_IDENTITY_NOT_PLACED when it may not, WEFT_SPIFFE_ID for an identity that is none, WEFT_CSR_REFUSED for a bad
   * request or a key of another node.
   */
  sign(request: SignRequest): Promise<readonly string[]>
}

/** Signs for agents: the name in a certificate is decided here, from what the server knows, never from the request. */
export function createSigner(deps: SignerDeps): Signer {
  const { authority, nodes, log } = deps
  return {
    async sign({ node, currentIdentity, identity, csr }) {
      const refuse = (reason: string): MeshError => {
        log.warn('certificate refused', { node, identity, reason })
        return new MeshError('WEFT_IDENTITY_NOT_PLACED', reason, { fields: { node, identity } })
      }
      if (!isAgentOf(currentIdentity, node, authority.trustDomain)) throw refuse('session is not of this node')
      const wanted = parseSpiffeId(identity)
      if (wanted.trustDomain !== authority.trustDomain) throw refuse('identity is of another trust domain')
      const record = await nodes.get(node)
      if (record === undefined) throw refuse('node has not joined')
      if (record.banned) throw refuse('node is banned')
      const evidence = evidenceFor(wanted, record, deps)
      if (evidence === undefined) throw refuse('nothing trustworthy places this identity on the node')
      const publicKey = parseCsr(csr)
      // The node is known by this key: with another one its agent could not come back.
      if (wanted.kind === 'agent' && spkiHash(publicKey) !== record.keyHash) {
        throw refuse('key is not the one the node has joined with')
      }
      const recipient = { node, evidence }
      return authority.issue(formatSpiffeId(wanted), publicKey, lifeOf(wanted, record, deps), recipient).chain
    },
  }
}

function isAgentOf(currentIdentity: string, node: string, trustDomain: string): boolean {
  const id = parseSpiffeId(currentIdentity)
  return id.kind === 'agent' && id.node === node && id.trustDomain === trustDomain
}

function evidenceFor(wanted: SpiffeId, node: NodeRecord, deps: SignerDeps): string | undefined {
  switch (wanted.kind) {
    case 'agent':
      return wanted.node === node.name && isStillLetIn(node, deps) ? 'renewal' : undefined
    case 'workload':
      return mayHold({
        node,
        identity: wanted,
        workloads: deps.workloads(),
        operatorDeclared: deps.operatorDeclared,
        admission: deps.admission?.(),
      })
    case 'server':
      return undefined
    default:
      return assertNever(wanted)
  }
}

/** A node with a join token is let in until it is banned, one with other evidence as long as a policy says so. */
function isStillLetIn({ name, evidence }: NodeRecord, { admission }: SignerDeps): boolean {
  return evidence === undefined || (admission?.().admitting(evidence, name).length ?? 0) > 0
}

function lifeOf(wanted: SpiffeId, node: NodeRecord, { admission, leafTtlMs }: SignerDeps): number | undefined {
  const identity = wanted.kind === 'workload' ? `${wanted.namespace}/${wanted.serviceAccount}` : undefined
  const allowed = admission?.().lifeMs(node, identity)
  return allowed === undefined ? leafTtlMs : Math.min(allowed, leafTtlMs ?? allowed)
}
