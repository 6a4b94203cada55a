import type { Random } from '../../mesh/std/clock.ts'

/** What one data thread knows of an endpoint's load; outlives the tables that point to it. */
export interface EndpointLoad {
  /** Connections open through this thread. */
  active: number
  /**
   * Monotonic milliseconds until which it is passed over, because connecting to it failed lately; 0 after a success.
   */
  avoidUntil: number
}

interface Candidate {
  readonly weight: number
  readonly load: EndpointLoad
}

/** How long an endpoint that could not be reached is passed over while others can take its place. */
export const avoidAfterFailureMs = 10_000

/**
 * Least request of two (Istio's LEAST_REQUEST): draws two candidates by weight and takes the one with fewer open
 * connections for its weight. Endpoints in `tried`, and those that failed lately, are drawn only when nothing else is
 * left; undefined when every candidate has been tried. One that failed is tried again by a single connection, while the
 * others go on passing it over: when it still does not answer, only that one has waited in vain.
 */
export function pickEndpoint<T extends Candidate>(
  candidates: readonly T[],
  tried: ReadonlySet<T> | undefined,
  now: number,
  random: Random,
): T | undefined {
  const picked = pick(candidates, tried, now, random)
  if (picked !== undefined && picked.load.avoidUntil > 0) picked.load.avoidUntil = now + avoidAfterFailureMs
  return picked
}

function pick<T extends Candidate>(
  candidates: readonly T[],
  tried: ReadonlySet<T> | undefined,
  now: number,
  random: Random,
): T | undefined {
  let usable = candidates
  if (tried !== undefined || candidates.some(candidate => candidate.load.avoidUntil > now)) {
    const untried = tried === undefined ? candidates : candidates.filter(candidate => !tried.has(candidate))
    const sound = untried.filter(candidate => candidate.load.avoidUntil <= now)
    usable = sound.length > 0 ? sound : untried
  }
  if (usable.length <= 1) return usable[0]
  const first = draw(usable, random)
  const second = draw(usable, random)
  if (first === second) return first
  return cost(first) <= cost(second) ? first : second
}

/** An idle endpoint costs the same whatever its weight: the draw alone makes the shares then. */
function cost(candidate: Candidate): number {
  return candidate.load.active / candidate.weight
}

/** One candidate, with a chance in proportion to its weight. */
function draw<T extends Candidate>(candidates: readonly T[], random: Random): T {
  const last = candidates[candidates.length - 1] as T
  let total = 0
  for (const candidate of candidates) total += candidate.weight
  let left = random() * total
  for (const candidate of candidates) {
    left -= candidate.weight
    if (left < 0) return candidate
  }
  return last
}
