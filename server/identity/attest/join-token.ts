import { hashSecret } from '../../../mesh/identity/join-token.ts'
import type { JoinTokenRecord, JoinTokenStore } from '../../store/store.ts'
import { type AttestContext, type Attestor, checkEvidence, refused } from './attestor.ts'

/** How long the holder of a used token may ask again, with the same key: the reply may have been lost. */
const retryWindowMs = 10 * 60_000

/**
 * Join tokens: used up in one atomic step. The same secret with the same key is taken again for ten minutes, and changes
 * nothing then.
 */
export function createJoinTokenAttestor(tokens: Pick<JoinTokenStore, 'consume' | 'list'>): Attestor {
  return {
    async attest(evidence, context) {
      checkEvidence(evidence, context.signal)
      const hash = hashSecret(evidence.payload)
      const { node, now } = context
      const fresh = await tokens.consume(hash, node, now)
      const token = fresh ?? (await tokens.list()).find(candidate => candidate.hash === hash)
      const reason = fresh === undefined ? whyRefused(token, context) : undefined
      if (token === undefined || reason !== undefined) throw refused(reason ?? 'token is unknown')
      return {
        kind: 'join-token',
        grade: 3,
        node,
        instance: '',
        claims: { token: token.id },
        identities: token.identities,
        repeated: fresh === undefined,
      }
    },
  }
}

/** Why a token that could not be consumed is no good; undefined when this is its user asking again. */
function whyRefused(token: JoinTokenRecord | undefined, asks: AttestContext): string | undefined {
  if (token === undefined) return 'token is unknown'
  if (token.node !== asks.node) return 'token is for another node'
  if (token.revokedAt !== undefined) return 'token was revoked'
  if (token.usedAt === undefined) return 'token has expired'
  if (asks.now > token.usedAt + retryWindowMs) return 'token was used before'
  // Only the host that used it has the key; and only its join, not an earlier or later one, is answered again.
  const { previous } = asks
  const isSame = previous !== undefined && previous.keyHash === asks.keyHash && previous.joinedAt === token.usedAt
  return isSame ? undefined : 'token was used before, with another key'
}
