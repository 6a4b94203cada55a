import { createLocalJWKSet, type JSONWebKeySet, type JWTHeaderParameters, type JWTVerifyGetKey } from 'jose'
import type { Clock } from '../../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../../mesh/std/errors.ts'
import type { Log } from '../../../mesh/std/log.ts'

/** The public keys of an issuer, as it publishes them. */
export interface KeyRing {
  /** The key for a token's header; throws when there is none. */
  readonly key: JWTVerifyGetKey
}

export interface KeyRingDeps {
  readonly clock: Clock
  readonly log: Log
  /** Reads the key set (RFC 7517), JSON. */
  load(): Promise<string>
}

/** Keys that were taken back are not believed for longer. */
const maxAgeMs = 10 * 60_000
/** Tokens with keys that nobody knows make nobody read more often. */
const minPauseMs = 10_000

/**
 * Reads the set when a key is asked for that is not in it, at most every ten seconds, and when it is ten minutes old. If
 * that fails the last set stays in use; before there is one, no token is good.
 */
export function createKeyRing({ clock, log, load }: KeyRingDeps): KeyRing {
  let set: JSONWebKeySet = { keys: [] }
  let local = createLocalJWKSet(set)
  let triedAt = Number.NEGATIVE_INFINITY
  let readAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined

  async function read(): Promise<void> {
    triedAt = clock.monotonic()
    try {
      set = keySetOf(await load())
      local = createLocalJWKSet(set)
      readAt = clock.monotonic()
    } catch (error) {
      log.warn('keys of evidence cannot be read, the last ones stay in use', {
        keys: set.keys.length,
        error: describeError(error),
      })
    } finally {
      reading = undefined
    }
  }

  function refresh(): Promise<void> {
    if (reading === undefined && clock.monotonic() - triedAt < minPauseMs) return Promise.resolve()
    reading ??= read()
    return reading
  }

  return {
    async key(header: JWTHeaderParameters, token) {
      const isKnown = () => set.keys.some(({ kid }) => kid !== undefined && kid === header.kid)
      if (!isKnown() || clock.monotonic() - readAt > maxAgeMs) await refresh()
      if (readAt === Number.NEGATIVE_INFINITY) {
        throw new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'the keys of evidence could not be read yet')
      }
      if (!isKnown()) throw new MeshError('WEFT_EVIDENCE_REFUSED', 'token is signed by an unknown key')
      return local(header, token)
    },
  }
}

function keySetOf(text: string): JSONWebKeySet {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || !('keys' in value) || !Array.isArray(value.keys)) {
    throw new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'what should be a key set is none')
  }
  const keys: unknown[] = value.keys
  // a secret key in a public set would make every holder of the set an issuer
  return { keys: keys.filter(isPublicKey) }
}

function isPublicKey(key: unknown): key is JSONWebKeySet['keys'][number] {
  return typeof key === 'object' && key !== null && 'kty' in key && (key.kty === 'RSA' || key.kty === 'OKP')
}
