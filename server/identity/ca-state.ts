import { parseCertificate } from '../../mesh/identity/certificate.ts'
import { spkiHash } from '../../mesh/identity/keys.ts'
import { type Trust, trustOf } from '../../mesh/model/trust.ts'

/** A root with its issuing certificate: which files hold their keys, and the root itself, PEM. */
export interface Generation {
  /** What is in the names of its files; empty for the first one of a mesh. */
  readonly files: string
  readonly root: string
  /**
   * Certificates between the issuing one and the root, PEM; present where the operator's own authority has signed the
   * issuing certificate, and the root's key is not here.
   */
  readonly above?: readonly string[]
}

export const rotationSteps = ['preparing', 'signing', 'retiring'] as const
export type RotationStep = (typeof rotationSteps)[number]

/** Hosts that were not waited for, because an operator said so. */
export interface Forced {
  readonly at: number
  readonly step: RotationStep
  readonly nodes: readonly string[]
}

/** A change of the root that is under way. Times are milliseconds since 1970. */
export interface Rotation {
  /**
   * `preparing`: the new root is being made known. `signing`: it signs, and everybody is being told to renew.
   * `retiring`: the certificates below the old one are being replaced.
   */
  readonly step: RotationStep
  readonly from: Generation
  readonly to: Generation
  /** `to`, certified by `from`, PEM; absent on the way back. */
  readonly cross?: string
  readonly startedAt: number
  readonly since: number
  readonly renewWithinMs: number
  readonly retentionMs: number
  /** What is open under the old root is cut at the end. */
  readonly compromised: boolean
  /** On the way back to the root that was there before. */
  readonly aborting: boolean
  readonly forced: readonly Forced[]
}

/** How a rotation ended. */
export interface FinishedRotation {
  readonly startedAt: number
  readonly finishedAt: number
  readonly outcome: 'done' | 'aborted'
  readonly forced: readonly Forced[]
}

/** A root that nobody is told to believe any more, kept for hosts and tokens that have not heard of the change. */
export interface FormerRoot {
  readonly root: string
  /** The root that came after it, certified by it, PEM. */
  readonly cross?: string
  readonly until: number
  readonly compromised: boolean
}

/** Somebody who may not take part. */
export interface Ban {
  /** A node by name, or a SPIFFE id. */
  readonly subject: { readonly kind: 'node' | 'identity'; readonly name: string }
  readonly reason: string
  readonly at: number
  /** Keys of certificates that the node had when it was banned, and when the last certificate of each ends. */
  readonly keys: readonly { readonly hash: string; readonly until: number }[]
}

/** Everything about the authority that must change in one piece: one file. */
export interface CaState {
  readonly trustDomain: string
  /** Grows with every change of what agents are told. */
  readonly sequence: number
  /** Roots that agents are to believe, PEM. */
  readonly roots: readonly string[]
  readonly current: Generation
  readonly rotation?: Rotation
  /** Newest first. */
  readonly former: readonly FormerRoot[]
  /** Newest first. */
  readonly history: readonly FinishedRotation[]
  readonly bans: readonly Ban[]
}

/** The generation that signs. */
export function signingGeneration({ current, rotation }: CaState): Generation {
  if (rotation === undefined) return current
  return rotation.step === 'preparing' ? rotation.from : rotation.to
}

/** What agents are told. */
export function trustOfState(state: CaState): Trust {
  const { trustDomain, sequence, roots, rotation, former, bans } = state
  const isLeaving = rotation !== undefined && rotation.step !== 'preparing'
  return Object.freeze(
    trustOf({
      trustDomain,
      sequence,
      roots,
      ...(isLeaving && { tainted: [spkiHash(rotation.from.root)], renewWithinMs: rotation.renewWithinMs }),
      retired: former.filter(one => !one.compromised).map(one => one.root),
      bannedIdentities: bans.flatMap(({ subject }) => (subject.kind === 'identity' ? [subject.name] : [])),
      bannedKeys: [...new Set(bans.flatMap(({ keys }) => keys.map(({ hash }) => hash)))],
    }),
  )
}

/**
 * What a server presents above its issuing certificate, PEM: the way from the root that signs to the oldest one that
 * somebody may still know the mesh by.
 */
export function presentedRoots(state: CaState): readonly string[] {
  const { rotation, former } = state
  const links = [...(rotation === undefined ? [] : [{ root: rotation.from.root, cross: rotation.cross }]), ...former]
  const path: string[] = []
  let { root } = signingGeneration(state)
  for (const link of links) {
    if (link.cross === undefined || spkiHash(link.cross) !== spkiHash(root)) continue
    path.push(link.cross)
    root = link.root
  }
  return [...path, root]
}

/** Roots below which an agent's own certificate is accepted by the server, so that it can come back. */
export function acceptedRoots({ roots, former }: CaState): readonly string[] {
  return [...new Set([...roots, ...former.map(({ root }) => root)])]
}

/** The state as text; {@link parseCaState} reads it. */
export function formatCaState(state: CaState): string {
  return `${JSON.stringify(state, undefined, 2)}\n`
}

/**
 * Reads the state, also as it was written when there was nothing in it but the bundle. The file is ours and nobody else
 * can write it: what is checked is that it is whole. Throws an error that says what is wrong.
 */
export function parseCaState(text: string): CaState {
  const value: unknown = JSON.parse(text)
  const { trustDomain, sequence, roots, current, rotation, former, history, bans } = value as Partial<CaState>
  if (typeof trustDomain !== 'string' || typeof sequence !== 'number' || !Number.isSafeInteger(sequence)) {
    throw new TypeError('fields are missing')
  }
  if (!Array.isArray(roots) || roots.length === 0) throw new TypeError('there are no roots')
  for (const root of roots) parseCertificate(String(root))
  for (const list of [former, history, bans]) {
    if (list !== undefined && !Array.isArray(list)) throw new TypeError('a list is none')
  }
  if (rotation !== undefined && !rotationSteps.includes(rotation.step)) throw new TypeError('the step is unknown')
  return Object.freeze({
    trustDomain,
    sequence,
    roots,
    current: current ?? { files: '', root: String(roots[0]) },
    ...(rotation !== undefined && { rotation }),
    former: former ?? [],
    history: history ?? [],
    bans: bans ?? [],
  })
}
