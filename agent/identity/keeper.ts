import { createCsr } from '../../mesh/identity/csr.ts'
import { decodePrivateKey, encodePrivateKey, generateKeys } from '../../mesh/identity/keys.ts'
import { renewAt } from '../../mesh/identity/renewal.ts'
import { createBackoff } from '../../mesh/std/backoff.ts'
import type { Clock, Random, Timer } from '../../mesh/std/clock.ts'
import { describeError, hasCode, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import { type HeldCertificate, holdCertificate } from './held-certificate.ts'

/**
 * Asks the server for a certificate: identity and PKCS#10 request (DER) in, chain (PEM, leaf first) out. It settles
 * within a bounded time, at the latest with the session.
 */
export type Signer = (identity: string, csr: Buffer) => Promise<readonly string[]>

export interface KeeperDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Undefined while there is no session with the server. */
  readonly signer: Watch<Signer | undefined>
  /** Throws when the certificate must not be used. */
  verify(held: HeldCertificate): void
  /** A new certificate is in use, or the one in use has just expired. */
  changed(): void
}

export interface KeeperOptions {
  readonly identity: string
  readonly initial?: HeldCertificate | undefined
  /**
   * Whether renewals keep the key. The node's own key is what the server knows the host by, and a lost answer must not
   * lock it out; workloads get a fresh key each time.
   */
  readonly keepKey: boolean
}

/** What is known about one identity's certificate. */
export interface KeeperStatus {
  readonly identity: string
  /** Milliseconds since 1970; absent when there is no certificate yet. */
  readonly notAfter?: number
  readonly renewAt?: number
  /** Why the last attempt failed, until one succeeds. */
  readonly problem?: string
  /** True when the server answered that attempt with a refusal: waiting alone will not help. */
  readonly refused: boolean
}

/** Keeps one identity's certificate fresh. */
export interface Keeper {
  /** The certificate to present; undefined when there is none or it has expired. */
  usable(): HeldCertificate | undefined
  /** The newest certificate, expired or not. */
  held(): HeldCertificate | undefined
  status(): KeeperStatus
  /** Renews within this time at a random moment, unless it is due before. */
  hasten(withinMs: number): void
  stop(): Promise<void>
}

/** Timers stand still while a machine sleeps and know nothing of clock changes: never trust one for longer. */
const recheckMs = 60_000
const retry = { baseMs: 500, capMs: 150_000 }
/** Shares of its life that a certificate which should have been renewed has left when it is worth a warning. */
const warnAt = [0.5, 0.25, 0.1, 0]

/**
 * Starts keeping: asks at once when there is no certificate, else at half of its life; keeps trying with its own
 * backoff; goes on presenting the old certificate until the moment it expires.
 */
export function startKeeper(deps: KeeperDeps, options: KeeperOptions): Keeper {
  const { clock, random, log } = deps
  const { identity } = options
  const stopped = Promise.withResolvers<never>()
  stopped.promise.catch(() => {})
  let stopping = false
  const backoff = createBackoff(retry, random)
  let held = options.initial
  let due = held === undefined ? clock.now() : renewAt(held, random)
  let problem: string | undefined
  let refused = false
  let warned = 0
  let wasUsable = usable() !== undefined
  let wake = () => {}

  const unsubscribe = deps.signer.subscribe(signer => {
    if (signer !== undefined) wake()
  })
  const running = run()

  function usable(): HeldCertificate | undefined {
    return held !== undefined && clock.now() <= held.notAfter ? held : undefined
  }

  async function run(): Promise<void> {
    while (!stopping) {
      noticeExpiry()
      const signer = deps.signer.value
      const now = clock.now()
      if (now < due) await pause(Math.min(recheckMs, due - now))
      else if (signer === undefined) await waitUnrenewed('not connected to the server', recheckMs)
      else await renew(signer)
    }
  }

  async function renew(signer: Signer): Promise<void> {
    try {
      held = await obtain(signer)
    } catch (error) {
      if (stopping) return
      refused = !hasCode(error, 'WEFT_SERVER_UNREACHABLE')
      await waitUnrenewed(describeError(error), backoff.nextMs())
      return
    }
    backoff.reset()
    due = renewAt(held, random)
    problem = undefined
    refused = false
    warned = 0
    wasUsable = true
    log.info('certificate obtained', { identity, notAfter: new Date(held.notAfter).toISOString() })
    deps.changed()
  }

  async function obtain(signer: Signer): Promise<HeldCertificate> {
    const keys = options.keepKey && held !== undefined ? decodePrivateKey(held.key) : generateKeys()
    const chain = await Promise.race([signer(identity, createCsr(keys)), stopped.promise])
    const fresh = holdCertificate({ identity, key: encodePrivateKey(keys.privateKey), chain: chain.join('\n') })
    deps.verify(fresh)
    return fresh
  }

  async function waitUnrenewed(reason: string, delayMs: number): Promise<void> {
    if (problem !== reason) log.warn('certificate not obtained, trying again', { identity, reason })
    problem = reason
    warnIfLittleIsLeft()
    // Not past the end of what is held: its expiry is to be noticed when it happens.
    const left = held === undefined ? 0 : held.notAfter + 1 - clock.now()
    await pause(left > 0 ? Math.min(delayMs, left) : delayMs)
  }

  function warnIfLittleIsLeft(): void {
    if (held === undefined) return
    const left = Math.max(0, held.notAfter - clock.now()) / (held.notAfter - held.notBefore)
    const passed = warnAt.filter(share => left <= share).length
    if (passed <= warned) return
    warned = passed
    const fields = { identity, percentLeft: Math.round(left * 100), reason: problem }
    if (left === 0) log.error('certificate has expired, connections of this identity are refused', fields)
    else log.warn('certificate is overdue for renewal', fields)
  }

  /** Expiry changes what may be presented, and so does a clock that is set back again. */
  function noticeExpiry(): void {
    const isUsable = usable() !== undefined
    if (isUsable === wasUsable) return
    wasUsable = isUsable
    deps.changed()
  }

  function pause(delayMs: number): Promise<void> {
    if (stopping) return Promise.resolve()
    return new Promise(resolve => {
      const timer: Timer = clock.timer(Math.max(1, delayMs), () => wake())
      wake = () => {
        timer.cancel()
        wake = () => {}
        resolve()
      }
    })
  }

  return {
    usable,
    held: () => held,
    status: () => ({
      identity,
      ...(held !== undefined && { notAfter: held.notAfter, renewAt: due }),
      ...(problem !== undefined && { problem }),
      refused,
    }),
    hasten(withinMs) {
      due = Math.min(due, clock.now() + random() * withinMs)
      wake()
    },
    async stop() {
      stopping = true
      stopped.reject(new MeshError('WEFT_SERVER_UNREACHABLE', 'the agent stops'))
      unsubscribe()
      wake()
      await running
    },
  }
}
