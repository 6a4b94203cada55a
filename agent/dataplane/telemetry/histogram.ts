/**
 * Upper bounds of Envoy's default buckets, which Istio uses for durations (milliseconds) and sizes (bytes) alike: equal
 * ones, so that histograms of both can be added up.
 */
export const bucketBounds = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
] as const

/** Numbers that one histogram takes: a count for each bucket, one for what is beyond the last bound, and the sum. */
export const histogramSlots = bucketBounds.length + 2

/** Adds one value to the histogram that begins at `at`. Buckets count their own values only, not those below. */
export function observe(values: Float64Array, at: number, value: number): void {
  let bucket = 0
  while (bucket < bucketBounds.length && value > (bucketBounds[bucket] ?? 0)) bucket += 1
  values[at + bucket] = (values[at + bucket] ?? 0) + 1
  const sum = at + bucketBounds.length + 1
  values[sum] = (values[sum] ?? 0) + value
}
