import { encodePrivateKey, generateKeys } from '../mesh/identity/keys.ts'
import { renewAt } from '../mesh/identity/renewal.ts'
import { serverSpiffeId } from '../mesh/identity/spiffe-id.ts'
import { type Clock, clampTimerMs, type Random, type Timer } from '../mesh/std/clock.ts'
import { describeError } from '../mesh/std/errors.ts'
import type { Log } from '../mesh/std/log.ts'
import { Watch } from '../mesh/std/watch.ts'
import type { OwnAuthority } from './identity/authority.ts'
import { acceptedRoots, presentedRoots } from './identity/ca-state.ts'

/** What the server presents to agents and to API clients, and whom it believes. PEM throughout. */
export interface ServerCredentials {
  readonly key: string
  /** Leaf first, root last. */
  readonly chain: string
  readonly roots: readonly string[]
  /** Milliseconds since 1970. */
  readonly notAfter: number
}

export interface ServerCertificateDeps {
  readonly authority: Pick<OwnAuthority, 'trustDomain' | 'issue' | 'ca'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface ServerCertificateOptions {
  readonly serverName: string
  readonly ttlMs: number
}

const retryMs = 60_000

/**
 * Keeps the server's own certificate: a new key and certificate at every start, at half of its life and when the roots
 * change, never written to disk. When renewing fails the old one stays in use and it is tried again every minute. Throws what the authority
 * throws when there is no first one.
 */
export function startServerCertificate(
  deps: ServerCertificateDeps,
  options: ServerCertificateOptions,
): { readonly credentials: Watch<ServerCredentials>; stop(): void } {
  const { authority, clock, random, log } = deps
  const identity = serverSpiffeId(authority.trustDomain, options.serverName)
  const issue = (): ServerCredentials => {
    const { privateKey, publicKey } = generateKeys()
    const { chain, notAfter } = authority.issue(identity, publicKey, options.ttlMs)
    const state = authority.ca.state.value
    const whole = [...chain, ...presentedRoots(state)].join('')
    return Object.freeze({
      key: encodePrivateKey(privateKey),
      chain: whole,
      roots: acceptedRoots(state),
      notAfter,
    })
  }
  const due = (notAfter: number): number => renewAt({ notBefore: clock.now(), notAfter }, random)

  const credentials = new Watch(issue())
  let renewTime = due(credentials.value.notAfter)
  let timer: Timer
  const wait = (): void => {
    timer = clock.timer(clampTimerMs(renewTime - clock.now()), renew)
  }
  const renew = (): void => {
    // a timer holds 24 days at most, and may fire early after the wall clock was set back
    if (clock.now() >= renewTime) {
      try {
        const next = issue()
        renewTime = due(next.notAfter)
        credentials.set(next)
        log.info('server certificate renewed', { notAfter: new Date(next.notAfter).toISOString() })
      } catch (error) {
        renewTime = clock.now() + retryMs
        log.error('server certificate could not be renewed, the old one stays', { error: describeError(error) })
      }
    }
    wait()
  }
  wait()
  const unsubscribe = authority.ca.state.subscribe(() => {
    const chain = presentedRoots(authority.ca.state.value).join('')
    const roots = acceptedRoots(authority.ca.state.value).join('')
    if (credentials.value.chain.endsWith(chain) && credentials.value.roots.join('') === roots) return
    renewTime = clock.now()
    timer.cancel()
    renew()
  })
  return {
    credentials,
    stop() {
      unsubscribe()
      timer.cancel()
    },
  }
}
