import type { OutlierDetectionSpec } from '../model/traffic.ts'
import type { OutlierSettings } from './cluster.ts'
import { limit, milliseconds } from './policy-values.ts'

/**
 * When endpoints are ejected (Istio destination_rule.proto, OutlierDetection; defaults: Envoy outlier_detection.proto). An
 * empty `outlierDetection` is enough to eject after five answers of 5xx; without one nothing is ejected.
 */
export function outlierSettings(spec: OutlierDetectionSpec | undefined): OutlierSettings | undefined {
  if (spec === undefined) return undefined
  const errorStatuses = spec.outlierDetectionHttpErrorCodes ?? []
  const baseEjectionMs = milliseconds(spec.baseEjectionTime) ?? 30_000
  return {
    consecutive5xx: spec.consecutive5xxErrors ?? 5,
    consecutiveGatewayErrors: spec.consecutiveGatewayErrors ?? 0,
    consecutiveLocalOrigin: spec.consecutiveLocalOriginFailures ?? 5,
    splitLocalOrigin: spec.splitExternalLocalOriginErrors ?? false,
    intervalMs: milliseconds(spec.interval) ?? 10_000,
    baseEjectionMs,
    maxEjectionMs: Math.max(baseEjectionMs, 300_000),
    maxEjectionPercent: limit(spec.maxEjectionPercent) ?? 10,
    minHealthPercent: spec.minHealthPercent ?? 0,
    ...(errorStatuses.length > 0 && { errorStatuses }),
  }
}
