import type { ClusterEndpoint } from './endpoint.ts'

/** How a new endpoint gets its share of traffic little by little. */
export interface Warmup {
  readonly durationMs: number
  readonly minimumPercent: number
  readonly aggression: number
}

/**
 * The share of its weight that an endpoint has `now`, in (0, 1]: time since it was known healthy over the whole of the
 * warm-up, bent by the aggression, and never under the minimum (Envoy, "Slow start mode"). 1 once it is warm.
 */
export function warmupFactor(warmup: Warmup, healthySince: number | undefined, now: number): number {
  if (healthySince === undefined) return 1
  const elapsed = now - healthySince
  if (elapsed >= warmup.durationMs) return 1
  // Under a second counts as one, so that the factor is never nothing.
  const progress = Math.max(elapsed, 1000) / warmup.durationMs
  const bent = warmup.aggression === 1 ? progress : progress ** (1 / warmup.aggression)
  return Math.min(1, Math.max(warmup.minimumPercent / 100, bent))
}

/** When the first of these endpoints is warm, for those that are not yet; Infinity when all are. */
export function firstWarmAt(warmup: Warmup | undefined, endpoints: readonly ClusterEndpoint[], now: number): number {
  let first = Number.POSITIVE_INFINITY
  if (warmup === undefined) return first
  for (const { state } of endpoints) {
    if (state.healthySince === undefined) continue
    const warmAt = state.healthySince + warmup.durationMs
    if (warmAt > now && warmAt < first) first = warmAt
  }
  return first
}
