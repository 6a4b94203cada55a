import type { JWTPayload } from 'jose'
import type { NomadAllocation, NomadNode } from '../../../registry-adapters/nomad/answers.ts'
import { meshNameOf } from '../../../registry-adapters/nomad/node-names.ts'
import { type Attested, type Attestor, checkEvidence, refused } from './attestor.ts'
import { type TokenRules, textClaim, type VerifiedJwt, verifyJwt } from './jwt.ts'

/** What is asked of Nomad, at the moment of joining. */
export interface NomadLookUp {
  /** Undefined when there is none of that id. */
  allocation(id: string, signal: AbortSignal): Promise<NomadAllocation | undefined>
  node(id: string, signal: AbortSignal): Promise<NomadNode | undefined>
}

export interface NomadAttestorOptions extends TokenRules {
  /** Whether a client's own node identity is taken too: those have the audience of Nomad itself. */
  readonly nodeIdentities: boolean
}

/** Audience that Nomad gives to what it uses itself. */
const nomadAudience = 'nomadproject.io'
/** What a node identity lives by default, with an hour to spare. */
const nodeIdentityLifeMs = 25 * 3_600_000

/**
 * Workload identities and node identities of Nomad (Nomad's "Workload Identity" page). A workload's token says which
 * allocation it is of, and Nomad then which node that runs on. Tokens of nodes, and those that introduce nodes, are signed
 * by the same keys, so each is told by its own claims, and a token with those of both is none.
 */
export function createNomadAttestor(lookUp: NomadLookUp, options: NomadAttestorOptions): Attestor {
  return {
    async attest(evidence, { now, signal }) {
      checkEvidence(evidence, signal)
      const verified = await verify(evidence.payload, options, now)
      signal.throwIfAborted()
      const { claims } = verified
      if ('nomad_node_name' in claims) throw refused('token only introduces a node to nomad')
      return 'nomad_node_id' in claims
        ? ofNode(verified, lookUp, options, signal)
        : ofWorkload(verified, lookUp, options, signal)
    },
  }
}

/** Which audience is asked for is decided by an unverified look: the one that counts is verified with the rest. */
async function verify(payload: string, options: NomadAttestorOptions, now: number): Promise<VerifiedJwt> {
  if (!options.nodeIdentities || !looksLikeNode(payload)) return verifyJwt(payload, options, now)
  const maxLifeMs = Math.max(options.maxLifeMs, nodeIdentityLifeMs)
  return verifyJwt(payload, { ...options, audience: nomadAudience, maxLifeMs, allowNoExpiry: false }, now)
}

function looksLikeNode(payload: string): boolean {
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload.split('.')[1] ?? '', 'base64url').toString('utf8'))
    return typeof claims === 'object' && claims !== null && 'nomad_node_id' in claims
  } catch {
    return false
  }
}

async function ofWorkload(
  { claims, proof }: VerifiedJwt,
  lookUp: NomadLookUp,
  options: NomadAttestorOptions,
  signal: AbortSignal,
): Promise<Attested> {
  // another audience would be asked for by a token of a node
  if (claims.aud !== options.audience && !hasOnly(claims, options.audience)) throw refused('token is not for the mesh')
  const id = textClaim(claims, 'nomad_allocation_id')
  const namespace = textClaim(claims, 'nomad_namespace')
  const job = textClaim(claims, 'nomad_job_id')
  const task = textClaim(claims, 'nomad_task')
  const allocation = await lookUp.allocation(id, signal)
  if (allocation === undefined) throw refused('allocation of the token is unknown to nomad', { allocation: id })
  if (allocation.id !== id || allocation.namespace !== namespace || allocation.jobId !== job) {
    throw refused('allocation is of another job than the token', { allocation: id, namespace, job })
  }
  const { clientStatus, desiredStatus, nodeId } = allocation
  if (clientStatus !== 'running' || desiredStatus !== 'run') {
    throw refused('allocation does not run', { allocation: id, clientStatus, desiredStatus })
  }
  const node = await readyNode(nodeId, lookUp, signal)
  const group = allocation.group
  return attestedOf(node, { allocation: id, namespace, job, group, task }, proof)
}

function hasOnly({ aud }: JWTPayload, audience: string): boolean {
  return Array.isArray(aud) && aud.length === 1 && aud[0] === audience
}

async function ofNode(
  { claims, proof }: VerifiedJwt,
  lookUp: NomadLookUp,
  options: NomadAttestorOptions,
  signal: AbortSignal,
): Promise<Attested> {
  if (!options.nodeIdentities) throw refused('identities of nodes are not taken')
  if ('nomad_allocation_id' in claims) throw refused('token has the claims of a node and of a workload')
  const node = await readyNode(textClaim(claims, 'nomad_node_id'), lookUp, signal)
  // names that no workload's evidence has: who lets clients in by their pool does not mean what runs there
  return attestedOf(node, { client: node.id, clientPool: node.pool }, proof)
}

async function readyNode(id: string, lookUp: NomadLookUp, signal: AbortSignal): Promise<NomadNode> {
  const node = await lookUp.node(id, signal)
  if (node === undefined || node.id !== id) throw refused('node of the token is unknown to nomad', { nodeId: id })
  if (node.status !== 'ready') throw refused('node is not ready', { nodeId: id, status: node.status })
  return node
}

function attestedOf(
  node: NomadNode,
  of: Readonly<Record<string, string>>,
  proof: Attested['proof'] & object,
): Attested {
  const { datacenter, pool, nodeClass } = node
  return {
    kind: 'nomad',
    grade: 4,
    node: meshNameOf(node),
    instance: node.id,
    claims: { ...of, nodeId: node.id, datacenter, pool, nodeClass },
    proof,
  }
}
