import { spkiHash } from '../../mesh/identity/keys.ts'
import { assertNever } from '../../mesh/std/assert-never.ts'
import type { CaState, FinishedRotation, FormerRoot, Generation, Rotation } from './ca-state.ts'

/** How a rotation is done. */
export interface RotationOptions {
  /** Within how many milliseconds hosts renew their certificates once they are told to. */
  readonly renewWithinMs: number
  /** How long hosts and tokens that know only the old root can still come to the server, in milliseconds. */
  readonly retentionMs: number
  /** The old root's key is in wrong hands: what is open under it is cut at the end. */
  readonly compromised: boolean
}

const maxHistory = 20
/** Roots of earlier rotations that are kept, however long their retention: a chain has only so many certificates. */
const maxFormer = 4

/** A rotation to another root begins: from now on everybody is told to believe both. */
export function beginRotation(
  state: CaState,
  next: { readonly generation: Generation; readonly cross?: string },
  { renewWithinMs, retentionMs, compromised }: RotationOptions,
  now: number,
): CaState {
  const { current } = state
  const rotation: Rotation = {
    step: 'preparing',
    from: current,
    to: next.generation,
    ...(next.cross !== undefined && { cross: next.cross }),
    startedAt: now,
    since: now,
    renewWithinMs,
    retentionMs,
    compromised,
    aborting: false,
    forced: [],
  }
  return { ...state, sequence: state.sequence + 1, roots: [...state.roots, next.generation.root], rotation }
}

/** The next step of a rotation; `skipped` are the nodes that were not waited for. */
export function nextStep(state: CaState, rotation: Rotation, now: number, skipped: readonly string[] = []): CaState {
  const forced =
    skipped.length === 0 ? rotation.forced : [...rotation.forced, { at: now, step: rotation.step, nodes: skipped }]
  switch (rotation.step) {
    case 'preparing':
      return { ...state, sequence: state.sequence + 1, rotation: { ...rotation, step: 'signing', since: now, forced } }
    case 'signing':
      return { ...state, rotation: { ...rotation, step: 'retiring', since: now, forced } }
    case 'retiring':
      return finished(state, { ...rotation, forced }, now)
    default:
      return assertNever(rotation.step)
  }
}

/**
 * Goes back: before the new root has signed anything it is simply forgotten; later the old one signs again, and what is
 * below the new one is replaced in the same steps.
 */
export function abortRotation(state: CaState, rotation: Rotation, now: number): CaState {
  const { from, to, cross: _, ...rest } = rotation
  const sequence = state.sequence + 1
  if (rotation.step !== 'preparing') {
    const back: Rotation = { ...rest, step: 'signing', from: to, to: from, since: now, aborting: true }
    return { ...state, sequence, rotation: back }
  }
  const { rotation: _over, ...kept } = state
  const roots = state.roots.filter(root => root !== to.root)
  return { ...kept, sequence, roots, current: from, history: withEnd(state, rotation, 'aborted', now) }
}

/** Forgets former roots whose time is over; the same state when there is none. */
export function forgetFormer(state: CaState, now: number): CaState {
  const former = state.former.filter(({ until }) => until > now)
  return former.length === state.former.length ? state : { ...state, sequence: state.sequence + 1, former }
}

function finished(state: CaState, rotation: Rotation, now: number): CaState {
  const { from, to, cross, retentionMs, compromised, aborting } = rotation
  const { rotation: _over, ...kept } = state
  const gone: FormerRoot = {
    root: from.root,
    ...(cross !== undefined && { cross }),
    until: now + retentionMs,
    compromised,
  }
  return {
    ...kept,
    sequence: state.sequence + 1,
    roots: state.roots.filter(root => spkiHash(root) !== spkiHash(from.root)),
    current: to,
    former: [gone, ...state.former].slice(0, maxFormer),
    history: withEnd(state, rotation, aborting ? 'aborted' : 'done', now),
  }
}

function withEnd(
  state: CaState,
  { startedAt, forced }: Rotation,
  outcome: FinishedRotation['outcome'],
  finishedAt: number,
): readonly FinishedRotation[] {
  return [{ startedAt, finishedAt, outcome, forced }, ...state.history].slice(0, maxHistory)
}
