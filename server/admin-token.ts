import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { formatApiToken, newApiToken, parseApiToken } from '../mesh/identity/api-token.ts'
import { hashSecret } from '../mesh/identity/join-token.ts'
import { isAdmin } from './access/api-tokens.ts'
import { readPrivateFile, writePrivateFile } from './identity/files.ts'
import type { ApiTokenStore } from './store/store.ts'

/**
 * At the first start, makes the token that the first operator uses and writes it to `admin-token` in the data
 * directory, readable by its owner only; the store keeps its hash. So it does when every token of an admin has expired:
 * whoever can read the data directory can do everything anyhow. Returns the file, or undefined when it made none.
 */
export async function ensureAdminToken(
  store: ApiTokenStore,
  options: { readonly dataDir: string; readonly rootHash: string; readonly now: number },
): Promise<string | undefined> {
  if ((await store.list()).some(record => isAdmin(record, options.now))) return undefined
  const token = newApiToken(options.rootHash)
  const file = join(options.dataDir, 'admin-token')
  // the file first: a crash in between leaves a token that is not valid and is replaced, not one that nobody has
  writePrivateFile(file, `${formatApiToken(token)}\n`)
  await store.create({
    id: randomUUID(),
    hash: hashSecret(token.secret),
    createdAt: options.now,
    name: 'admin',
    roles: ['admin'],
  })
  return file
}

/**
 * Lets the token in the file `admin-token`, where it still is, name the root that signs now: a command that reads it
 * knows the server by that. A file that cannot be read or written stays as it is; the error is returned.
 */
export function renameRootOfAdminToken(dataDir: string, rootHash: string): unknown {
  const file = join(dataDir, 'admin-token')
  if (!existsSync(file)) return undefined
  try {
    const token = parseApiToken(readPrivateFile(file))
    if (token.rootHash !== rootHash) writePrivateFile(file, `${formatApiToken({ ...token, rootHash })}\n`)
    return undefined
  } catch (error) {
    return error
  }
}
