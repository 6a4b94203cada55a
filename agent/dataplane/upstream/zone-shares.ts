import type { Locality } from '../../../mesh/model/locality.ts'

/** What zone-aware balancing goes by besides the endpoints. */
export interface CallerZones {
  /** Where the caller is, as {@link zoneKey} has it. */
  readonly own: string
  /** How many callers of this kind there are in each place; none where nobody knows. */
  readonly callers: ReadonlyMap<string, number>
  readonly minClusterSize: number
}

/** One text for each place. */
export function zoneKey({ region, zone, subzone }: Locality): string {
  return `${region}/${zone}/${subzone}`
}

/**
 * The shares of the places, so that endpoints in all of them get the same load when all callers do the same (Envoy,
 * "Zone aware routing"): a place with at least as large a part of the endpoints as of the callers keeps all of its calls,
 * another one keeps what its endpoints can carry and sends the rest to where there is more than the callers there need.
 * `available` are endpoints by place, `callers` the parts of all callers in the same order, `own` the caller's place.
 * Undefined where zones cannot count: with too few endpoints, endpoints in one place only, or nobody known to call from here.
 */
export function zoneShares(
  available: readonly number[],
  callers: readonly number[],
  own: number,
  minClusterSize: number,
): readonly number[] | undefined {
  const total = available.reduce((sum, count) => sum + count, 0)
  const here = available[own] ?? 0
  const callersHere = callers[own] ?? 0
  if (total === 0 || total < minClusterSize || callersHere <= 0) return undefined
  if (here === total || here === 0) return undefined
  const kept = Math.min(1, here / total / callersHere)
  if (kept === 1) return available.map((_, place) => (place === own ? 1 : 0))
  const spare = available.map((count, place) =>
    place === own ? 0 : Math.max(0, count / total - (callers[place] ?? 0)),
  )
  const allSpare = spare.reduce((sum, part) => sum + part, 0)
  return spare.map((part, place) => (place === own ? kept : allSpare === 0 ? 0 : ((1 - kept) * part) / allSpare))
}
