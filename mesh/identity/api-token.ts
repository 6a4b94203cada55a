import { randomBytes } from 'node:crypto'
import { MeshError } from '../std/errors.ts'

/** What an operator's token carries: the secret, and by what to know the server. */
export interface ApiToken {
  /** 32 random bytes, base64url without padding. */
  readonly secret: string
  /** SHA-256 of the public key (SPKI) of the server's root, hex. */
  readonly rootHash: string
}

/**
 * What our own clients send as `Host`: they know a server by its root, whatever name or address led to it. RFC 2606: no
 * page can have this name.
 */
export const apiHostName = 'api.weft.invalid'

const prefix = 'weftapi1_'
const pattern = /^weftapi1_([A-Za-z0-9_-]{43})_([0-9a-f]{64})$/

/** A token with a new secret for the server with this root. */
export function newApiToken(rootHash: string): ApiToken {
  return { secret: randomBytes(32).toString('base64url'), rootHash }
}

/** The token as one word. */
export function formatApiToken(token: ApiToken): string {
  return `${prefix}${token.secret}_${token.rootHash}`
}

/** Reads a token, surrounding white space allowed; throws WEFT_UNAUTHENTICATED, never quoting it. */
export function parseApiToken(text: string): ApiToken {
  const [, secret, rootHash] = pattern.exec(text.trim()) ?? []
  if (secret === undefined || rootHash === undefined) {
    throw new MeshError('WEFT_UNAUTHENTICATED', 'the API token is malformed', {
      next: 'copy the whole token, as the file admin-token in the data directory of the server has it',
    })
  }
  return { secret, rootHash }
}
