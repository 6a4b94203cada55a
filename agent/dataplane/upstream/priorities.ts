import type { EndpointGroup } from '../../../mesh/routing/locality.ts'
import type { Random } from '../../../mesh/std/clock.ts'
import type { Balancer } from './balancers/balancer.ts'
import type { ClusterEndpoint } from './endpoint.ts'
import { lowFraction } from './hash.ts'
import { type Admission, HostSet } from './host-set.ts'
import { capacity, inPanic, priorityLoads } from './priority-load.ts'
import type { Warmup } from './slow-start.ts'
import { type CallerZones, zoneKey, zoneShares } from './zone-shares.ts'

/** One priority: its localities, and the draws below which it, and each of them, is chosen. */
interface Level<E extends ClusterEndpoint> {
  readonly sets: readonly HostSet<E>[]
  readonly members: number
  /** Where zones count: how they are to share what this level gets. */
  readonly zones: Zones | undefined
  /** Upper ends of the sets' shares, the last one 1. */
  setEnds: readonly number[]
  /** Upper end of this level's share of all traffic. */
  end: number
}

/** The places of a level as {@link zoneShares} wants them, in the order of its sets. */
interface Zones {
  readonly own: number
  readonly callers: readonly number[]
  readonly minClusterSize: number
}

export interface Arrangement {
  readonly now: number
  readonly minHealthPercent: number
  readonly warmup: Warmup | undefined
}

/**
 * Chooses priority and locality, then lets the locality's balancer choose. The shares are worked out when health
 * changes; a choice costs one draw where there is anything to draw.
 */
export class Priorities<E extends ClusterEndpoint> {
  readonly #makeBalancer: () => Balancer<E>
  readonly #random: Random
  /** By place: kept from one membership to the next, because rings are costly to build. */
  readonly #balancers = new Map<string, Balancer<E>>()
  #levels: readonly Level<E>[] = []
  #available = 0
  #isDesperate = false

  constructor(makeBalancer: () => Balancer<E>, random: Random) {
    this.#makeBalancer = makeBalancer
    this.#random = random
  }

  /** Endpoints that may be chosen now. */
  get available(): number {
    return this.#available
  }

  /** Whether even endpoints that failed lately are chosen, because there are no others. */
  get isDesperate(): boolean {
    return this.#isDesperate
  }

  /**
   * Takes the endpoints that belong to the cluster; {@link arrange} must follow. With `haveShares` the weights of groups
   * are the shares of traffic that they are to have, whatever the number of their endpoints; with `callers` those of the
   * first priority share by zone.
   */
  update(groups: readonly EndpointGroup<E>[], haveShares: boolean, callers?: CallerZones): void {
    const levels: Level<E>[] = []
    const places = new Set<string>()
    for (const priority of new Set(groups.map(group => group.priority).sort((one, other) => one - other))) {
      const ofPriority = groups.filter(group => group.priority === priority)
      const zones = levels.length === 0 && callers !== undefined ? zonesOf(ofPriority, callers) : undefined
      const sets = placesOf(ofPriority, haveShares || zones !== undefined).flatMap((group, index) => {
        const place = `${priority}/${index}`
        const members = group.endpoints.filter(endpoint => endpoint.health !== 'draining' && endpoint.weight > 0)
        if (members.length === 0 && zones === undefined) return []
        places.add(place)
        return [new HostSet(members, group.weight, this.#balancerAt(place))]
      })
      const members = sets.reduce((sum, set) => sum + set.members.length, 0)
      if (members > 0) levels.push({ sets, members, zones, setEnds: [], end: 0 })
    }
    this.#levels = levels
    for (const place of this.#balancers.keys()) if (!places.has(place)) this.#balancers.delete(place)
  }

  /** Works out anew who may be chosen and how often. Returns the monotonic time at which that is to be done again. */
  arrange({ now, minHealthPercent, warmup }: Arrangement): number {
    const levels = this.#levels
    const totals = levels.map(level => level.members)
    const healthy = levels.map(level => countOf(level, 'healthy', now))
    const panics = inPanic(healthy, totals, minHealthPercent)
    const wide = (index: number): Admission => (panics[index] === true ? 'all' : 'healthy')
    const narrow = (index: number): Admission => (panics[index] === true ? 'all-sound' : 'sound')
    this.#isDesperate = levels.every((level, index) => countOf(level, narrow(index), now) === 0)
    const admission = this.#isDesperate ? wide : narrow
    let until = Number.POSITIVE_INFINITY
    for (const [index, level] of levels.entries()) {
      for (const set of level.sets) {
        until = Math.min(until, set.arrange(admission(index), warmup, now))
        for (const { state } of set.members) if (state.failedUntil > now) until = Math.min(until, state.failedUntil)
      }
      level.setEnds = ends(setWeights(level))
    }
    const usable = levels.map(level => level.sets.reduce((sum, set) => sum + set.usable.length, 0))
    this.#available = usable.reduce((sum, count) => sum + count, 0)
    // What a priority in panic can carry is still what its healthy endpoints can; without any of these, all counts.
    const sound = this.#isDesperate ? healthy : levels.map(level => countOf(level, 'sound', now))
    const counts = sound.some(count => count > 0) ? sound : usable
    const shares = ends(priorityLoads(counts.map((count, index) => capacity(count, totals[index] ?? 0))))
    for (const [index, level] of levels.entries()) level.end = shares[index] ?? 0
    return until
  }

  /** One endpoint; undefined when there is none to choose. */
  pick(hash: number | undefined): E | undefined {
    if (this.#available === 0) return undefined
    const level = this.#drawLevel(hash)
    if (level === undefined) return undefined
    return this.#drawSet(level, hash)?.pick(hash)
  }

  /** One of the first priority that has endpoints to choose and none of these; undefined when there is no such priority. */
  pickElsewhere(left: ReadonlySet<ClusterEndpoint>, hash: number | undefined): E | undefined {
    for (const level of this.#levels) {
      const isLeft = level.sets.some(({ members }) => members.some(member => left.has(member)))
      if (isLeft || !level.sets.some(({ usable }) => usable.length > 0)) continue
      const chosen = this.#drawSet(level, hash)?.pick(hash)
      if (chosen !== undefined) return chosen
    }
    return undefined
  }

  /** Any endpoint that may be chosen and is not among these. */
  pickOther(tried: ReadonlySet<ClusterEndpoint>): E | undefined {
    for (const level of this.#levels) {
      for (const set of level.sets) for (const endpoint of set.usable) if (!tried.has(endpoint)) return endpoint
    }
    return undefined
  }

  #drawLevel(hash: number | undefined): Level<E> | undefined {
    const levels = this.#levels
    const first = levels[0]
    if (first === undefined || first.end >= 1) return first
    const drawn = hash === undefined ? this.#random() : lowFraction(hash)
    for (const level of levels) if (drawn < level.end) return level
    return undefined
  }

  /** From the same lane of a hash as the level: where localities have weights there is only one priority. */
  #drawSet(level: Level<E>, hash: number | undefined): HostSet<E> | undefined {
    const { sets, setEnds } = level
    if (sets.length === 1) return sets[0]
    const drawn = hash === undefined ? this.#random() : lowFraction(hash)
    for (let index = 0; index < setEnds.length; index += 1) if (drawn < (setEnds[index] ?? 0)) return sets[index]
    return undefined
  }

  #balancerAt(place: string): Balancer<E> {
    const known = this.#balancers.get(place)
    if (known !== undefined) return known
    const made = this.#makeBalancer()
    this.#balancers.set(place, made)
    return made
  }
}

/**
 * The groups that are to be balanced apart: those that have shares of their own. Others are one, so that load is balanced
 * among all of their endpoints.
 */
function placesOf<E extends ClusterEndpoint>(
  groups: readonly EndpointGroup<E>[],
  haveShares: boolean,
): readonly EndpointGroup<E>[] {
  const [nearest] = groups
  if (haveShares || nearest === undefined) return groups
  return [{ ...nearest, weight: 1, endpoints: groups.flatMap(group => group.endpoints) }]
}

/** Undefined where the caller is not in the same place as some of the endpoints, or nobody knows who calls from where. */
function zonesOf<E extends ClusterEndpoint>(
  groups: readonly EndpointGroup<E>[],
  { own, callers, minClusterSize }: CallerZones,
): Zones | undefined {
  const at = groups.findIndex(group => zoneKey(group.locality) === own)
  const total = [...callers.values()].reduce((sum, count) => sum + count, 0)
  if (groups.length < 2 || at < 0 || total === 0) return undefined
  return { own: at, callers: groups.map(group => (callers.get(zoneKey(group.locality)) ?? 0) / total), minClusterSize }
}

/** How often each set of a level is chosen in proportion to the others. */
function setWeights<E extends ClusterEndpoint>({ sets, zones }: Level<E>): readonly number[] {
  if (zones === undefined) return sets.map(set => set.weight * capacity(set.usable.length, set.members.length))
  const { own, callers, minClusterSize } = zones
  const usable = sets.map(set => set.usable.length)
  const shares = zoneShares(usable, callers, own, minClusterSize)
  return shares ?? sets.map(set => set.usable.reduce((sum, endpoint) => sum + endpoint.weight, 0))
}

function countOf<E extends ClusterEndpoint>(level: Level<E>, admission: Admission, now: number): number {
  return level.sets.reduce((sum, set) => sum + set.count(admission, now), 0)
}

/** Upper ends of shares in proportion to `weights`, the last one with a weight exactly 1; all 0 when none has any. */
function ends(weights: readonly number[]): readonly number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (total === 0) return weights.map(() => 0)
  const last = weights.findLastIndex(weight => weight > 0)
  let sum = 0
  return weights.map((weight, index) => {
    sum += weight
    return index >= last ? 1 : sum / total
  })
}
