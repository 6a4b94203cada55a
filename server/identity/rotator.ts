import { parseCertificate } from '../../mesh/identity/certificate.ts'
import { createCsr } from '../../mesh/identity/csr.ts'
import { spkiHash } from '../../mesh/identity/keys.ts'
import { pemBlock } from '../../mesh/identity/pem.ts'
import { assertNever } from '../../mesh/std/assert-never.ts'
import type { Clock, Timer } from '../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { encodeResource } from '../../mesh/wire/agent-config-codec.ts'
import type { NodeRecord } from '../store/store.ts'
import type { OwnAuthority } from './authority.ts'
import type { NextGeneration } from './ca.ts'
import { type CaState, type FinishedRotation, type Rotation, type RotationStep, signingGeneration } from './ca-state.ts'
import type { HostTrust } from './host-trust.ts'
import { abortRotation, beginRotation, forgetFormer, nextStep, type RotationOptions } from './rotation.ts'

/** A host that is waited for, and for what. */
export interface MissingHost {
  readonly node: string
  readonly reason: string
}

/** The authority as operators see it. Roots are named by the SHA-256 of their public key, hex; times are since 1970. */
export interface CaStatus {
  readonly trustDomain: string
  readonly sequence: number
  /** The root that signs, and the ends of it and of its issuing certificate. */
  readonly root: string
  readonly rootNotAfter: number
  readonly issuingNotAfter: number
  /** Whether the operator's own authority has signed the issuing certificate: then this server cannot renew it. */
  readonly supplied: boolean
  /** What agents are told to believe. */
  readonly trusted: readonly string[]
  readonly rotation?: Pick<Rotation, 'step' | 'startedAt' | 'since' | 'aborting' | 'compromised' | 'forced'> & {
    readonly from: string
    readonly to: string
    readonly missing: readonly MissingHost[]
  }
  /** Roots that hosts and tokens may still come with. */
  readonly former: readonly { readonly root: string; readonly until: number }[]
  /** Newest first. */
  readonly history: readonly FinishedRotation[]
}

/** Replaces the root of a mesh, step by step, each when every host is ready for it. */
export interface Rotator {
  status(): CaStatus
  /** Begins. Throws WEFT_ROTATION when a rotation is under way. */
  rotate(options: RotationOptions): void
  /** A certificate request (PEM) for the operator's own authority; the same key until its certificate is installed. */
  csr(): string
  /**
   * Begins to change to the root that the chain (PEM, issuing certificate first) ends in, with an issuing certificate for
   * the key of {@link Rotator.csr}; below the present root it is simply used from now on. Throws WEFT_ROTATION when a
   * rotation is under way, WEFT_CERTIFICATE_REFUSED for a chain that is of no use.
   */
  install(chain: string, options: RotationOptions): void
  /** Goes on without the hosts that the present step waits for, and returns them. Throws WEFT_ROTATION without one. */
  force(): readonly MissingHost[]
  /** Goes back to the old root. Throws WEFT_ROTATION when there is nothing to go back from. */
  abort(): void
  stop(): void
}

export interface RotatorDeps {
  readonly clock: Clock
  readonly log: Log
  readonly authority: Pick<OwnAuthority, 'ca' | 'issued' | 'trust'>
  readonly nodes: () => ReadonlyMap<string, NodeRecord>
  readonly hosts: Pick<HostTrust, 'heldBy' | 'presentedBy'>
}

const lookEveryMs = 250
const idleMs = 60_000
const warnEveryMs = 24 * 3_600_000

/**
 * Starts, going on with a rotation that an earlier run has begun. A host is waited for while any certificate of it is
 * valid, because until then it may come back and be believed; banned ones are not.
 */
export function startRotator({ clock, log, authority, nodes, hosts }: RotatorDeps): Rotator {
  const { ca, issued, trust } = authority
  let timer: Timer | undefined
  let warnedAt = Number.NEGATIVE_INFINITY
  look()

  function look(): void {
    timer?.cancel()
    try {
      warnOfEnd()
      const state = forgetFormer(ca.state.value, clock.now())
      if (state !== ca.state.value) ca.change(state)
      const { rotation } = state
      if (rotation !== undefined && missingNow(rotation).length === 0) advance(state, rotation)
    } catch (error) {
      log.error('the rotation of the root cannot go on and is tried again', { error: describeError(error) })
    }
    timer = clock.timer(ca.state.value.rotation === undefined ? idleMs : lookEveryMs, look)
  }

  /** What the operator's own authority has signed, only the operator can renew. */
  function warnOfEnd(): void {
    const now = clock.now()
    if (signingGeneration(ca.state.value).above === undefined || now - warnedAt < warnEveryMs) return
    const { notBefore, notAfter } = parseCertificate(ca.signing().issuing.certificatePem)
    if (now < notBefore + (notAfter - notBefore) * (2 / 3)) return
    warnedAt = now
    const next = 'have the request of weft ca csr signed, and install the chain with weft ca install'
    log.warn('the issuing certificate is about to end', { notAfter: new Date(notAfter).toISOString(), next })
  }

  function refuseSecond(): void {
    if (ca.state.value.rotation === undefined) return
    throw new MeshError('WEFT_ROTATION', 'a rotation of the root is under way', {
      next: 'wait for its end with weft ca status, or go back with weft ca abort',
    })
  }

  function begin(next: NextGeneration, options: RotationOptions): void {
    ca.change(beginRotation(ca.state.value, next, options, clock.now()))
    log.info('rotation of the root begins', { root: spkiHash(next.generation.root), ...options })
    look()
  }

  function advance(state: CaState, rotation: Rotation, skipped: readonly string[] = []): void {
    const next = nextStep(state, rotation, clock.now(), skipped)
    ca.change(next)
    log.info('rotation of the root goes on', { from: rotation.step, to: next.rotation?.step ?? outcomeOf(next) })
  }

  function missingNow(rotation: Rotation): readonly MissingHost[] {
    const wanted = encodeResource({ kind: 'trust', ...trust.value }).hash
    const root = spkiHash(rotation.to.root)
    return liveNodes().flatMap(node => {
      const reason = whyMissing(rotation.step, node, wanted, root)
      return reason === undefined ? [] : [{ node, reason }]
    })
  }

  function whyMissing(step: RotationStep, node: string, wanted: string, root: string): string | undefined {
    switch (step) {
      case 'preparing':
      case 'signing': {
        const held = hosts.heldBy(node)
        if (held === undefined) return 'has not connected since this server started'
        return held === wanted ? undefined : 'has not acknowledged the newest trust bundle'
      }
      case 'retiring': {
        const presented = hosts.presentedBy(node)
        if (presented === undefined || presented.length === 0) return 'has not said which certificates it has'
        const old = presented.filter(one => one.root !== root).map(({ identity }) => identity)
        return old.length === 0 ? undefined : `has certificates below another root: ${old.slice(0, 5).join(', ')}`
      }
      default:
        return assertNever(step)
    }
  }

  function liveNodes(): readonly string[] {
    const known = nodes()
    const live = new Set(issued.valid(clock.now()).map(({ node }) => node))
    return [...live].filter(node => known.get(node)?.banned === false).sort()
  }

  function underWay(): Rotation {
    const { rotation } = ca.state.value
    if (rotation === undefined) throw new MeshError('WEFT_ROTATION', 'no rotation of the root is under way')
    return rotation
  }

  return {
    status() {
      const { trustDomain, sequence, roots, rotation, former, history } = ca.state.value
      const { root, issuing } = ca.signing()
      return {
        trustDomain,
        sequence,
        root: spkiHash(signingGeneration(ca.state.value).root),
        rootNotAfter: parseCertificate(root).notAfter,
        issuingNotAfter: parseCertificate(issuing.certificatePem).notAfter,
        supplied: signingGeneration(ca.state.value).above !== undefined,
        trusted: roots.map(one => spkiHash(one)),
        ...(rotation !== undefined && { rotation: shown(rotation, missingNow(rotation)) }),
        former: former.map(one => ({ root: spkiHash(one.root), until: one.until })),
        history,
      }
    },
    rotate(options) {
      refuseSecond()
      begin(ca.prepare(), options)
    },
    csr() {
      const { keys, commonName } = ca.pending()
      return pemBlock('CERTIFICATE REQUEST', createCsr(keys, commonName))
    },
    install(chain, options) {
      refuseSecond()
      const next = ca.adopt(chain)
      const { state } = ca
      if (spkiHash(next.generation.root) !== spkiHash(state.value.current.root)) return begin(next, options)
      if (state.value.current.above === undefined) {
        throw new MeshError(
          'WEFT_CERTIFICATE_REFUSED',
          'the root is this server’s own, which renews what it issues with',
        )
      }
      ca.change({ ...state.value, current: { ...next.generation, root: state.value.current.root } })
      log.info('issuing certificate of the operator is in use', { root: spkiHash(next.generation.root) })
    },
    force() {
      const rotation = underWay()
      const missing = missingNow(rotation)
      const skipped = missing.map(({ node }) => node)
      log.warn('hosts are not waited for, by order of an operator', { step: rotation.step, hosts: missing })
      advance(ca.state.value, rotation, skipped)
      look()
      return missing
    },
    abort() {
      const rotation = underWay()
      if (rotation.aborting) throw new MeshError('WEFT_ROTATION', 'the rotation is on its way back already')
      ca.change(abortRotation(ca.state.value, rotation, clock.now()))
      log.warn('rotation of the root is taken back, by order of an operator', { step: rotation.step })
      look()
    },
    stop: () => timer?.cancel(),
  }
}

function shown(rotation: Rotation, missing: readonly MissingHost[]): NonNullable<CaStatus['rotation']> {
  const { step, from, to, startedAt, since, aborting, compromised, forced } = rotation
  const roots = { from: spkiHash(from.root), to: spkiHash(to.root) }
  return { step, ...roots, startedAt, since, aborting, compromised, forced, missing }
}

function outcomeOf({ history }: CaState): string {
  return history[0]?.outcome ?? 'done'
}
