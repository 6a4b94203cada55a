import { parseJwks } from '../../mesh/resources/jwks.ts'

/** Far more than anybody rotates through. */
const maxKeys = 100
/** Of a key's members: RSA of 16384 bits, the most that is verified, has a modulus of 2731 characters. */
const maxMemberLength = 4096
const members = ['kty', 'kid', 'alg', 'use', 'crv', 'n', 'e', 'x', 'y']

/**
 * The public keys of a fetched JSON Web Key Set (RFC 7517), as text that is the same for the same keys in any order. Keys of
 * kinds that nobody here can verify by are left out; undefined for what is no key set. A set without keys is one.
 */
export function publicKeySet(text: string): string | undefined {
  const set = parseObject(text)
  if (set === undefined || !Array.isArray(set.keys) || set.keys.length > maxKeys) return undefined
  const keys = set.keys.flatMap((key: unknown) => {
    const parsed = isFlat(key) && isShort(key) ? parseJwks(JSON.stringify({ keys: [key] })) : undefined
    return parsed?.kind === 'good' ? parsed.keys.map(inOrder) : []
  })
  return JSON.stringify({
    keys: keys
      .map(key => JSON.stringify(key))
      .toSorted()
      .map(parseJson),
  })
}

/** What of a provider's metadata counts here (OpenID Connect Discovery 1.0, 3): undefined for what is none of the issuer. */
export function discoveredUri(text: string, issuer: string): string | undefined {
  const metadata = parseObject(text)
  const uri = metadata?.jwks_uri
  return metadata?.issuer === issuer && typeof uri === 'string' ? uri : undefined
}

/** Where an issuer's metadata is (4 of the same). */
export function discoveryUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
}

/** A key has texts and lists of texts; what is nested deeper may be nested so deeply that it cannot be written again. */
function isFlat(key: unknown): key is Readonly<Record<string, unknown>> {
  const isText = (value: unknown) => typeof value !== 'object' || value === null
  return (
    isRecord(key) && Object.values(key).every(value => isText(value) || (Array.isArray(value) && value.every(isText)))
  )
}

/** A set of larger ones could outgrow what an agent takes of a policy. */
function isShort(key: Readonly<Record<string, unknown>>): boolean {
  return members.every(name => typeof key[name] !== 'string' || key[name].length <= maxMemberLength)
}

/** Members that matter for verifying, one way. */
function inOrder(key: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(members.flatMap(name => (typeof key[name] === 'string' ? [[name, key[name]]] : [])))
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = parseJson(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function parseJson(text: string): unknown {
  return JSON.parse(text)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
