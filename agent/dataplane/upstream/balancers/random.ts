import type { Random } from '../../../../mesh/std/clock.ts'
import type { ClusterEndpoint } from '../endpoint.ts'
import { type Balancer, haveSameWeight } from './balancer.ts'

/**
 * Any endpoint, with a chance in proportion to its weight, which Envoy's RANDOM does not look at. Unequal weights are
 * drawn by Vose's alias method, in constant time.
 */
export class RandomChoice<E extends ClusterEndpoint> implements Balancer<E> {
  readonly #random: Random
  #usable: readonly E[] = []
  /** By column: the chance of its own endpoint, and the endpoint that has the rest of it. Empty with equal weights. */
  #chances = new Float64Array(0)
  #aliases = new Uint32Array(0)

  constructor(random: Random) {
    this.#random = random
  }

  update(_members: readonly E[], usable: readonly E[]): void {
    this.#usable = usable
    const count = haveSameWeight(usable) ? 0 : usable.length
    this.#chances = new Float64Array(count)
    this.#aliases = new Uint32Array(count)
    if (count > 0) this.#fill()
  }

  pick(): E | undefined {
    const usable = this.#usable
    const drawn = this.#random() * usable.length
    const column = Math.floor(drawn)
    const chance = this.#chances[column]
    if (chance === undefined || drawn - column < chance) return usable[column]
    return usable[this.#aliases[column] ?? 0]
  }

  #fill(): void {
    let total = 0
    for (const { weight } of this.#usable) total += weight
    const poor: number[] = []
    const rich: number[] = []
    for (const [index, { weight }] of this.#usable.entries()) {
      const chance = (weight * this.#usable.length) / total
      this.#chances[index] = chance
      if (chance < 1) poor.push(index)
      else rich.push(index)
    }
    for (;;) {
      const giver = rich.pop()
      const taker = giver === undefined ? undefined : poor.pop()
      if (giver === undefined || taker === undefined) {
        // What is left over is whole up to rounding.
        for (const index of [...rich, ...poor]) this.#chances[index] = 1
        if (giver !== undefined) this.#chances[giver] = 1
        return
      }
      this.#aliases[taker] = giver
      const left = (this.#chances[giver] ?? 0) - (1 - (this.#chances[taker] ?? 0))
      this.#chances[giver] = left
      if (left < 1) poor.push(giver)
      else rich.push(giver)
    }
  }
}
