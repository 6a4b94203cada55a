import { randomUUID } from 'node:crypto'
import { formatApiToken, newApiToken, parseApiToken } from '../../mesh/identity/api-token.ts'
import { hashSecret } from '../../mesh/identity/join-token.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { ApiTokenRecord, ApiTokenStore } from '../store/store.ts'
import type { Caller } from './caller.ts'
import { formatGrant, type Grant, parseGrant } from './grants.ts'

const defaultTtlMs = 90 * 86_400_000
const shortestTtlMs = 60_000
const longestTtlMs = 366 * 86_400_000
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/

export interface NewApiToken {
  /** As the audit log calls its holder. */
  readonly name: string
  readonly grants: readonly Grant[]
  /** 90 days when left out; from a minute to 366 days. */
  readonly ttlMs?: number
}

/** Bearer tokens of the API: made once, kept as hashes, revoked at once. */
export interface ApiTokens {
  /** The text of the token is only here. Throws WEFT_USAGE for a name or life that cannot be. */
  create(asked: NewApiToken): Promise<{ readonly token: string; readonly record: ApiTokenRecord }>
  list(): Promise<readonly ApiTokenRecord[]>
  /** Throws WEFT_NOT_FOUND, and WEFT_USAGE for the last token of an admin of the whole mesh. */
  revoke(id: string): Promise<ApiTokenRecord>
  /** Whose token an `Authorization` header carries; throws WEFT_UNAUTHENTICATED when it is none of this server. */
  authenticate(header: string | undefined): Promise<Caller>
}

/** `authority` says, whenever a token is made, by which root its holder shall know this server. */
export function createApiTokens(
  store: ApiTokenStore,
  authority: { readonly rootHash: string },
  clock: Pick<Clock, 'now'>,
): ApiTokens {
  return {
    async create({ name, grants, ttlMs = defaultTtlMs }) {
      if (!namePattern.test(name)) throw new MeshError('WEFT_USAGE', 'the name of a token has letters, digits, . _ @ -')
      if (grants.length === 0) throw new MeshError('WEFT_USAGE', 'a token needs a role')
      if (!(ttlMs >= shortestTtlMs && ttlMs <= longestTtlMs)) {
        throw new MeshError('WEFT_USAGE', 'a token lives from a minute to 366 days')
      }
      const token = newApiToken(authority.rootHash)
      const now = clock.now()
      const record: ApiTokenRecord = {
        id: randomUUID(),
        hash: hashSecret(token.secret),
        createdAt: now,
        name,
        roles: grants.map(formatGrant),
        expiresAt: now + ttlMs,
      }
      await store.create(record)
      return { token: formatApiToken(token), record }
    },
    list: () => store.list(),
    async revoke(id) {
      const now = clock.now()
      const all = await store.list()
      const record = all.find(one => one.id === id && one.revokedAt === undefined)
      if (record === undefined) throw new MeshError('WEFT_NOT_FOUND', 'there is no usable API token of this id')
      if (isAdmin(record, now) && !all.some(one => one.id !== id && isAdmin(one, now))) {
        throw new MeshError('WEFT_USAGE', 'this is the last token of an admin of the whole mesh', {
          next: 'make another one first: weft api-token create --role admin --name <name>',
        })
      }
      await store.revoke(id, now)
      return record
    },
    async authenticate(header) {
      const [scheme, text = ''] = (header ?? '').split(' ')
      if (scheme?.toLowerCase() !== 'bearer') {
        throw new MeshError('WEFT_UNAUTHENTICATED', 'the request carries no bearer token')
      }
      const { secret } = parseApiToken(text)
      // Looked up by hash: what an attacker learns from the time it takes is about a hash of his own making.
      const record = await store.find(hashSecret(secret))
      if (record === undefined) throw new MeshError('WEFT_UNAUTHENTICATED', 'the server does not know this token')
      if (!isUsable(record, clock.now())) {
        const what = record.revokedAt === undefined ? 'has expired' : 'was revoked'
        throw new MeshError('WEFT_UNAUTHENTICATED', `the token ${what}`, { next: 'ask an admin for a new one' })
      }
      return { name: `token ${record.name}`, grants: record.roles.map(parseGrant) }
    },
  }
}

/** True for a token that can do everything now. */
export function isAdmin(record: ApiTokenRecord, now: number): boolean {
  return isUsable(record, now) && record.roles.includes('admin')
}

function isUsable({ revokedAt, expiresAt }: ApiTokenRecord, now: number): boolean {
  return revokedAt === undefined && (expiresAt === undefined || expiresAt > now)
}
