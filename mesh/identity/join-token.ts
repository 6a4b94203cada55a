import { createHash, randomBytes } from 'node:crypto'
import { MeshError } from '../std/errors.ts'
import { agentSpiffeId } from './spiffe-id.ts'

/** What a join token carries to a host. */
export interface JoinToken {
  /** The node that may use it, as its agent calls itself. */
  readonly node: string
  /** 32 random bytes, base64url without padding. */
  readonly secret: string
  /** SHA-256 of the public key (SPKI) of the server's root, hex: what the first contact is authenticated by. */
  readonly rootHash: string
}

const prefix = 'weft1_'
const maxTokenChars = 1024
const secretPattern = /^[A-Za-z0-9_-]{43}$/
const hashPattern = /^[0-9a-f]{64}$/

/** A new secret: 32 bytes of the system's cryptographic randomness, base64url. */
export function newJoinSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** SHA-256 of the secret's text, hex: all that a server keeps of it. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

/** The token as one word, `weft1_` and base64url; throws WEFT_TOKEN_REFUSED for values that do not fit. */
export function formatJoinToken(token: JoinToken): string {
  checkToken(token)
  const body = JSON.stringify({ node: token.node, secret: token.secret, root: token.rootHash })
  return prefix + Buffer.from(body).toString('base64url')
}

/**
 * Reads a token. Throws WEFT_TOKEN_REFUSED when it is not exactly what {@link formatJoinToken} writes (cut short,
 * altered, extended); the error never quotes it.
 */
export function parseJoinToken(text: string): JoinToken {
  if (!text.startsWith(prefix) || text.length > maxTokenChars) throw malformed()
  let body: unknown
  try {
    body = JSON.parse(Buffer.from(text.slice(prefix.length), 'base64url').toString())
  } catch {
    throw malformed()
  }
  if (typeof body !== 'object' || body === null) throw malformed()
  const { node, secret, root } = body as Record<string, unknown>
  if (typeof node !== 'string' || typeof secret !== 'string' || typeof root !== 'string') throw malformed()
  const token = Object.freeze({ node, secret, rootHash: root })
  if (formatJoinToken(token) !== text) throw malformed()
  return token
}

function checkToken(token: JoinToken): void {
  if (!secretPattern.test(token.secret) || !hashPattern.test(token.rootHash)) throw malformed()
  try {
    agentSpiffeId('any', token.node)
  } catch (cause) {
    throw new MeshError('WEFT_TOKEN_REFUSED', 'join token names a node that cannot have an identity', { cause })
  }
}

function malformed(): MeshError {
  return new MeshError('WEFT_TOKEN_REFUSED', 'join token is malformed', {
    next: 'copy the whole token, or create a new one with weft token create --node <name>',
  })
}
