import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { Clock } from '../../mesh/std/clock.ts'

/** When so much disappears from a registry that the registry is doubted rather than believed. */
export interface MassRemovalRule {
  /** Share of workloads, or of services, that may go at once: 0.5. */
  readonly share: number
  /** With fewer items than this there is no telling a clean-up from an accident, and everything is believed. */
  readonly minimum: number
  /** Losses within this time count together: an outage seldom arrives in one step. */
  readonly windowMs: number
  /** How long a disappearance must last to be believed; what still answers stays until somebody confirms it. */
  readonly confirmMs: number
  /** A service that loses all its endpoints in one step is doubted too when it had at least this many. */
  readonly serviceMinimum: number
}

/** Remembers how large a registry was of late, and doubts views that are much smaller. */
export interface RemovalGuard {
  /**
   * True when going to `next` loses too much of what was there within the window. Once it has doubted a view, it
   * compares with the same former size until it is told what to believe.
   */
  isDoubtful(next: RegistrySnapshot): boolean
  /** Tells what was taken as true. */
  believed(snapshot: RegistrySnapshot): void
}

interface Size {
  readonly at: number
  readonly workloads: number
  readonly services: number
}

/**
 * Counts are compared, not names: instances that were all replaced by as many others are a deployment, not a
 * disappearance.
 */
export function createRemovalGuard(rule: MassRemovalRule, clock: Clock): RemovalGuard {
  let sizes: readonly Size[] = []
  let doubtedAgainst: Size | undefined

  /** Sizes within the window, and the newest one before it: that one was still true when the window began. */
  const recent = (at: number): readonly Size[] => {
    const within = sizes.findIndex(size => at - size.at <= rule.windowMs)
    return within === -1 ? sizes.slice(-1) : sizes.slice(Math.max(0, within - 1))
  }
  return {
    isDoubtful(next) {
      const before = doubtedAgainst ?? recent(clock.monotonic()).reduce<Size | undefined>(larger, undefined)
      if (before === undefined) return false
      const lost = (had: number, has: number) => had >= rule.minimum && had - has > had * rule.share
      const doubtful = lost(before.workloads, next.workloads.size) || lost(before.services, next.services.size)
      if (doubtful) doubtedAgainst = before
      return doubtful
    },
    believed(snapshot) {
      const at = clock.monotonic()
      const size = { at, workloads: snapshot.workloads.size, services: snapshot.services.size }
      // sizes that the new one exceeds can no longer be the largest of any window
      const smaller = (other: Size) => other.workloads <= size.workloads && other.services <= size.services
      sizes = [...recent(at).filter(other => !smaller(other)), size]
      doubtedAgainst = undefined
    },
  }
}

function larger(a: Size | undefined, b: Size): Size {
  if (a === undefined) return b
  return { at: b.at, workloads: Math.max(a.workloads, b.workloads), services: Math.max(a.services, b.services) }
}
