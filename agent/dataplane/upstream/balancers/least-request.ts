import type { Random } from '../../../../mesh/std/clock.ts'
import type { ClusterEndpoint } from '../endpoint.ts'
import { type Balancer, haveSameWeight } from './balancer.ts'
import { Schedule } from './schedule.ts'

/**
 * Fewest requests under way (Envoy, "Weighted least request"). With equal weights the better of two drawn at random;
 * else turns by weight over the number of requests under way and the new one.
 */
export class LeastRequest<E extends ClusterEndpoint> implements Balancer<E> {
  readonly #random: Random
  readonly #schedule: Schedule<E>
  #usable: readonly E[] = []
  #isWeighted = false

  /** `weightOf` is the endpoint's weight after slow start. */
  constructor(weightOf: (endpoint: E) => number, random: Random) {
    this.#random = random
    this.#schedule = new Schedule(endpoint => weightOf(endpoint) / (endpoint.state.active + 1))
  }

  update(_members: readonly E[], usable: readonly E[], isWarming: boolean): void {
    this.#usable = usable
    this.#isWeighted = isWarming || !haveSameWeight(usable)
    if (this.#isWeighted) this.#schedule.reset(usable, this.#random)
  }

  pick(): E | undefined {
    if (this.#isWeighted) return this.#schedule.next()
    const usable = this.#usable
    const count = usable.length
    if (count <= 1) return usable[0]
    const first = Math.floor(this.#random() * count)
    // Two different ones: of two endpoints the less busy is always found.
    const other = Math.floor(this.#random() * (count - 1))
    const one = usable[first]
    const two = usable[other < first ? other : other + 1]
    if (one === undefined || two === undefined) return one ?? two
    return two.state.active < one.state.active ? two : one
  }
}
