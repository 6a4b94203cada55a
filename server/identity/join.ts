import { parseCsr } from '../../mesh/identity/csr.ts'
import { hashSecret } from '../../mesh/identity/join-token.ts'
import { spkiHash } from '../../mesh/identity/keys.ts'
import { agentSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { JoinTokenRecord, JoinTokenStore, NodeRecord, NodeStore } from '../store/store.ts'
import type { Authority } from './authority.ts'

export interface JoinRequest {
  /** The secret of the join token, as text. */
  readonly secret: string
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
  readonly tokens: JoinTokenStore
  readonly nodes: NodeStore
  readonly authority: Pick<Authority, 'trustDomain' | 'trustBundle' | 'issue'>
  readonly clock: Clock
  readonly log: Log
  /** Life of the agent's certificate; the authority's default when left out. */
  readonly leafTtlMs?: number
}

/** How long the holder of a used token may ask again, with the same key: the reply may have been lost. */
const retryWindowMs = 10 * 60_000

/**
 * Admits a node for a join token: the token is used up in one atomic step, the node is recorded with what the token
 * allows, and gets the certificate of its agent. The same secret with the same key is answered again for ten minutes.
 * Throws WEFT_CSR_REFUSED for a bad request and WEFT_TOKEN_REFUSED for everything about the token or the node; the
 * caller learns no more than that, the log has the reason.
 */
export function joinNode(deps: JoinDeps): (request: JoinRequest) => Promise<Joined> {
  const { tokens, nodes, authority, clock, log } = deps

  return async ({ secret, node, csr }) => {
    const refuse = (reason: string): MeshError => {
      log.warn('join refused', { node: node.slice(0, 253), reason })
      return new MeshError('WEFT_TOKEN_REFUSED', 'join token is not valid for this node', { fields: { node } })
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

    // These come before the token is used up, so that a copied disk does not burn the token of the right host.
    const known = await nodes.list()
    const previous = known.find(({ name }) => name === node)
    if (previous?.banned === true) throw refuse('node is banned')
    if (known.some(other => other.name !== node && other.keyHash === keyHash)) {
      throw refuse('key is in use by another node')
    }

    const hash = hashSecret(secret)
    const token = await tokens.consume(hash, node, now)
    if (token === undefined) {
      const record = (await tokens.list()).find(candidate => candidate.hash === hash)
      const reason = whyRefused(record, previous, { node, keyHash, now })
      if (reason !== undefined) throw refuse(reason)
      log.info('join answered again', { node, token: record?.id })
    } else {
      await nodes.put({ name: node, identities: token.identities, joinedAt: now, keyHash, banned: false })
      log.info('node joined', { node, token: token.id, identities: token.identities })
    }
    const recipient = { node, evidence: 'join' }
    const { chain } = authority.issue(identity, publicKey, deps.leafTtlMs, recipient)
    return { chain, roots: authority.trustBundle.roots, trustDomain: authority.trustDomain }
  }
}

/** Why a token that could not be consumed is no good; undefined when this is its user asking again. */
function whyRefused(
  token: JoinTokenRecord | undefined,
  saved: NodeRecord | undefined,
  asks: { readonly node: string; readonly keyHash: string; readonly now: number },
): string | undefined {
  if (token === undefined) return 'token is unknown'
  if (token.node !== asks.node) return 'token is for another node'
  if (token.revokedAt !== undefined) return 'token was revoked'
  if (token.usedAt === undefined) return 'token has expired'
  if (asks.now > token.usedAt + retryWindowMs) return 'token was used before'
  // Only the host that used it has the key; and only its join, not an earlier or later one, is answered again.
  const isSame = saved !== undefined && saved.keyHash === asks.keyHash && saved.joinedAt === token.usedAt
  return isSame ? undefined : 'token was used before, with another key'
}
