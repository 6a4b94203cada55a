import type { Random } from '../../../../mesh/std/clock.ts'
import type { ClusterEndpoint } from '../endpoint.ts'
import type { Balancer } from './balancer.ts'
import { Schedule } from './schedule.ts'

/**
 * One after the other, in proportion to the weights that follow from what endpoints report of their load (gRFC A58).
 * Those of which none is known get the average of the others. `update` asks for the weights.
 */
export class BackendUtilization<E extends ClusterEndpoint> implements Balancer<E> {
  readonly #loadOf: (endpoint: E) => number
  readonly #warmthOf: (endpoint: E) => number
  readonly #random: Random
  readonly #shares = new Map<E, number>()
  readonly #schedule: Schedule<E>
  #usable: readonly E[] = []

  /** `loadOf` is the reported weight, 0 for none; `warmthOf` the part of it that slow start leaves, in (0, 1]. */
  constructor(loadOf: (endpoint: E) => number, warmthOf: (endpoint: E) => number, random: Random) {
    this.#loadOf = loadOf
    this.#warmthOf = warmthOf
    this.#random = random
    this.#schedule = new Schedule(endpoint => this.#shares.get(endpoint) ?? 1)
  }

  update(_members: readonly E[], usable: readonly E[]): void {
    const loads = usable.map(this.#loadOf)
    const known = loads.filter(load => load > 0)
    const average = known.length === 0 ? 1 : known.reduce((sum, load) => sum + load, 0) / known.length
    this.#shares.clear()
    for (const [index, endpoint] of usable.entries()) {
      // in parts of the average, so that a share means the same when all reports grow
      this.#shares.set(endpoint, ((loads[index] || average) / average) * this.#warmthOf(endpoint))
    }
    const before = this.#usable
    const isSame = usable.length === before.length && usable.every((endpoint, index) => endpoint === before[index])
    this.#usable = usable
    if (!isSame) this.#schedule.reset(usable, this.#random)
  }

  pick(): E | undefined {
    return this.#schedule.next()
  }
}
