import { randomUUID } from 'node:crypto'
import { formatApiToken, newApiToken, parseApiToken } from '../../mesh/identity/api-token.ts'
import { hashSecret } from '../../mesh/identity/join-token.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { ApiTokenStore } from '../store/store.ts'

/** Makes a token for the API and keeps its hash; the text is returned this once. */
export async function createApiToken(store: ApiTokenStore, rootHash: string, clock: Clock): Promise<string> {
  const token = newApiToken(rootHash)
  await store.create({ id: randomUUID(), hash: hashSecret(token.secret), createdAt: clock.now() })
  return formatApiToken(token)
}

/** Checks an `Authorization` header; throws WEFT_UNAUTHENTICATED when it carries no token of this server. */
export async function authenticate(store: ApiTokenStore, header: string | undefined): Promise<void> {
  const [scheme, text = ''] = (header ?? '').split(' ')
  if (scheme?.toLowerCase() !== 'bearer') {
    throw new MeshError('WEFT_UNAUTHENTICATED', 'the request carries no bearer token')
  }
  const { secret } = parseApiToken(text)
  // Looked up by hash: what an attacker learns from the time it takes is about a hash of his own making.
  if ((await store.find(hashSecret(secret))) === undefined) {
    throw new MeshError('WEFT_UNAUTHENTICATED', 'the server does not know this token')
  }
}
