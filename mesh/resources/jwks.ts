import { createPublicKey } from 'node:crypto'

/** What a JSON Web Key Set as text comes to (RFC 7517). */
export type ParsedJwks =
  | {
      readonly kind: 'good'
      /** Public keys only, as JSON Web Keys: what else there is of a key pair is taken off. */
      readonly keys: readonly Readonly<Record<string, unknown>>[]
      /** Keys of which something is secret: symmetric ones, which nobody may verify by, and private ones. */
      readonly secrets: number
    }
  | { readonly kind: 'bad'; readonly message: string }

/** The members of a key that must not leave whoever signs with it (RFC 7518, RFC 8037). */
const secretMembers = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'])
/** Members that make up a public key; but for the first two they are base64url, of which decoders take anything. */
const publicMembers = ['kty', 'crv', 'n', 'e', 'x', 'y'] as const

/** Reads a key set, or one key alone. What is wrong is said in lower case without a full stop, to read on after a path. */
export function parseJwks(text: string): ParsedJwks {
  const parsed = parse(text)
  if (!isRecord(parsed)) return { kind: 'bad', message: 'must be a JSON Web Key Set' }
  const list: unknown = 'kty' in parsed ? [parsed] : parsed.keys
  if (!Array.isArray(list)) return { kind: 'bad', message: 'must be a JSON Web Key Set with a list of keys' }
  const keys: Readonly<Record<string, unknown>>[] = []
  let secrets = 0
  for (const [index, key] of list.entries()) {
    if (!isRecord(key)) return { kind: 'bad', message: `has a key ${index} that is no JSON Web Key` }
    const secret = Object.keys(key).some(member => secretMembers.has(member))
    if (secret) secrets += 1
    if (key.kty === 'oct') {
      if (typeof key.k === 'string' && isBase64Url(key.k)) continue
      return { kind: 'bad', message: `has a key ${index} that is no JSON Web Key` }
    }
    const open = Object.fromEntries(Object.entries(key).filter(([member]) => !secretMembers.has(member)))
    if (!isPublicKey(open)) return { kind: 'bad', message: `has a key ${index} that is no public key` }
    keys.push(open)
  }
  return { kind: 'good', keys, secrets }
}

/** The key set that may be handed on: public keys only. Text that is no key set comes to a set without keys. */
export function publicJwks(text: string): string {
  const parsed = parseJwks(text)
  return JSON.stringify({ keys: parsed.kind === 'good' ? parsed.keys : [] })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isPublicKey(key: Readonly<Record<string, unknown>>): boolean {
  const members: Partial<Record<(typeof publicMembers)[number], string>> = {}
  for (const member of publicMembers) {
    const value = key[member]
    if (value === undefined) continue
    if (!isBase64Url(value)) return false
    members[member] = value
  }
  try {
    createPublicKey({ key: members, format: 'jwk' })
    return true
  } catch {
    return false
  }
}

/** Names of curves and key types are of these characters too. */
function isBase64Url(value: unknown): value is string {
  return typeof value === 'string' && /^[-\w]+$/.test(value)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
