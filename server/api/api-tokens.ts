import { parseApiToken } from '../../mesh/identity/api-token.ts'
import { hashSecret } from '../../mesh/identity/join-token.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { ApiTokenStore } from '../store/store.ts'

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
