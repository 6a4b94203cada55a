import type { ClusterSettings } from '../../../mesh/routing/cluster.ts'

/**
 * How many retries may be under way at once while `active` requests are under way or wait: the fixed number where one
 * is set, else the budget's share of them, and never less than its minimum (Envoy, "CircuitBreakers.RetryBudget").
 */
export function retryLimit(settings: Pick<ClusterSettings, 'maxRetries' | 'retryBudget'>, active: number): number {
  if (settings.maxRetries !== undefined) return settings.maxRetries
  const { percent, minRetryConcurrency } = settings.retryBudget
  return Math.max(minRetryConcurrency, Math.floor((active * percent) / 100))
}
