/** So much more than its share an endpoint is taken to be able to carry: below 1 / 1.4 healthy ones traffic spills over. */
const overprovisioning = 1.4

/** What part of its full load a group of endpoints can carry, in [0, 1]; nothing without endpoints. */
export function capacity(available: number, total: number): number {
  return total === 0 ? 0 : Math.min(1, (overprovisioning * available) / total)
}

/**
 * The shares of traffic of each priority, given what part of its full load each can carry: the first takes what it can,
 * the rest spills to the next; where all together cannot carry it, each takes more in proportion (Envoy, "Priority
 * levels"). They add up to 1, or are all 0 when nothing is available.
 */
export function priorityLoads(capacities: readonly number[]): readonly number[] {
  const sum = Math.min(
    1,
    capacities.reduce((all, one) => all + one, 0),
  )
  if (sum === 0) return capacities.map(() => 0)
  let left = 1
  return capacities.map(one => {
    const load = Math.min(left, one / sum)
    left -= load
    return load
  })
}

/**
 * Which priorities are so short of available endpoints that their health is not looked at any more (Envoy, "Panic
 * threshold"): below `minHealthPercent` available, once all priorities together cannot carry the traffic.
 */
export function inPanic(
  available: readonly number[],
  totals: readonly number[],
  minHealthPercent: number,
): readonly boolean[] {
  const all = totals.reduce((sum, total, index) => sum + capacity(available[index] ?? 0, total), 0)
  return totals.map(
    (total, index) => all < 1 && total > 0 && ((available[index] ?? 0) * 100) / total < minHealthPercent,
  )
}
