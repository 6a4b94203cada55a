import type { Random } from '../../../../mesh/std/clock.ts'
import type { ClusterEndpoint } from '../endpoint.ts'
import { type Balancer, haveSameWeight } from './balancer.ts'
import { Schedule } from './schedule.ts'

/** One after the other; with unequal weights heavier ones come up more often, evenly spread. */
export class RoundRobin<E extends ClusterEndpoint> implements Balancer<E> {
  readonly #random: Random
  readonly #schedule: Schedule<E>
  #usable: readonly E[] = []
  #isWeighted = false
  #next: number | undefined

  /** `weightOf` is the endpoint's weight after slow start. */
  constructor(weightOf: (endpoint: E) => number, random: Random) {
    this.#random = random
    this.#schedule = new Schedule(weightOf)
  }

  update(_members: readonly E[], usable: readonly E[], isWarming: boolean): void {
    this.#usable = usable
    this.#isWeighted = isWarming || !haveSameWeight(usable)
    if (this.#isWeighted) this.#schedule.reset(usable, this.#random)
    // Anywhere at first, so that the callers of a mesh do not all begin with the same endpoint.
    else this.#next ??= Math.floor(this.#random() * usable.length)
  }

  pick(): E | undefined {
    if (this.#isWeighted) return this.#schedule.next()
    const usable = this.#usable
    let at = this.#next ?? 0
    if (at >= usable.length) at = 0
    this.#next = at + 1
    return usable[at]
  }
}
