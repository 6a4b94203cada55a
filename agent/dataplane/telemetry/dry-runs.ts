import type { DryRunCount } from '../messages.ts'

/** Policies that one thread counts apart; what comes beyond them is counted as one. */
const maxPolicies = 1000

/** How often policies of dry runs would have answered otherwise. */
export class DryRuns {
  readonly #counts = new Map<string, DryRunCount>()

  /** `by` is the policy that would have decided; undefined when no rule of any would have matched. */
  count(kind: string, by: { readonly policy: string } | undefined, isAllowed: boolean): void {
    const name = by === undefined ? `${kind} none` : `${kind} ${by.policy}`
    const verdict = isAllowed ? 'allowed' : 'denied'
    const key = `${verdict} ${name}`
    const known = this.#counts.get(key)
    if (known !== undefined) known.count += 1
    else if (this.#counts.size < maxPolicies || name === rest)
      this.#counts.set(key, { policy: name, verdict, count: 1 })
    else this.count(restKind, { policy: restName }, isAllowed)
  }

  report(): readonly DryRunCount[] {
    return [...this.#counts.values()].map(one => ({ ...one }))
  }
}

const restKind = 'all'
const restName = 'others'
const rest = `${restKind} ${restName}`
