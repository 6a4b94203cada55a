import { randomBytes } from 'node:crypto'
import { formatJoinToken, hashSecret, newJoinSecret } from '../../mesh/identity/join-token.ts'
import { agentSpiffeId, workloadSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { JoinTokenRecord, JoinTokenStore } from '../store/store.ts'

export interface NewJoinToken {
  /** The node that may use it, as its agent calls itself. */
  readonly node: string
  /** `<namespace>/<service-account>` it may become; empty: what operator-declared registries place on it. */
  readonly identities?: readonly string[]
  /** How long it may be used, from a minute to a week; ten minutes when left out. */
  readonly ttlMs?: number
}

/** What operators do with join tokens. */
export interface JoinTokens {
  /**
   * Makes a token. Its text is returned this once and kept nowhere. Throws WEFT_SPIFFE_ID for names that cannot be
   * an identity, WEFT_USAGE for a life out of range.
   */
  create(wanted: NewJoinToken): Promise<{ readonly token: string; readonly record: JoinTokenRecord }>
  list(): Promise<readonly JoinTokenRecord[]>
  /** Throws WEFT_NOT_FOUND when there is no such token, or it is used, expired or revoked already. */
  revoke(id: string): Promise<void>
}

export interface JoinTokensDeps {
  readonly store: JoinTokenStore
  readonly authority: { readonly trustDomain: string; readonly rootHash: string }
  readonly clock: Clock
  readonly log: Log
}

const minute = 60_000
const defaultTtlMs = 10 * minute
const maxTtlMs = 7 * 24 * 60 * minute

/** Join tokens of one mesh. */
export function createJoinTokens({ store, authority, clock, log }: JoinTokensDeps): JoinTokens {
  return {
    async create({ node, identities = [], ttlMs = defaultTtlMs }) {
      agentSpiffeId(authority.trustDomain, node)
      for (const identity of identities) checkIdentity(authority.trustDomain, identity)
      if (!(ttlMs >= minute && ttlMs <= maxTtlMs)) {
        throw new MeshError('WEFT_USAGE', 'life of a join token must be between one minute and seven days', {
          fields: { ttlMs },
          next: 'choose another life',
        })
      }
      const secret = newJoinSecret()
      const createdAt = clock.now()
      const record: JoinTokenRecord = {
        id: randomBytes(6).toString('hex'),
        hash: hashSecret(secret),
        node,
        identities: [...new Set(identities)],
        createdAt,
        expiresAt: createdAt + Math.round(ttlMs),
      }
      await store.create(record)
      log.info('join token created', { id: record.id, node, identities: record.identities })
      return { token: formatJoinToken({ node, secret, rootHash: authority.rootHash }), record }
    },
    list: () => store.list(),
    async revoke(id) {
      if (!(await store.revoke(id, clock.now()))) {
        throw new MeshError('WEFT_NOT_FOUND', 'no usable join token with this id', { fields: { id } })
      }
      log.info('join token revoked', { id })
    },
  }
}

function checkIdentity(trustDomain: string, identity: string): void {
  const [namespace = '', serviceAccount = '', ...more] = identity.split('/')
  if (more.length > 0) {
    throw new MeshError('WEFT_SPIFFE_ID', 'identity is not <namespace>/<service-account>', { fields: { identity } })
  }
  workloadSpiffeId(trustDomain, namespace, serviceAccount)
}
