import type { LoadBalancerSpec, LocalityLbSpec } from '../model/traffic.ts'
import type { BalancerSettings, HashKey, LocalitySettings, WarmupSettings } from './cluster.ts'
import { milliseconds } from './policy-values.ts'

type ConsistentHashSpec = NonNullable<LoadBalancerSpec['consistentHash']>
type UtilizationSpec = NonNullable<LoadBalancerSpec['backendUtilization']>

/**
 * The balancer that a `loadBalancer` means (Istio destination_rule.proto, LoadBalancerSettings): least requests without
 * one. A hash over nothing cannot be told from chance, and is.
 */
export function balancerSettings(spec: LoadBalancerSpec | undefined): BalancerSettings {
  const hash = spec?.consistentHash
  if (hash !== undefined) return hashSettings(hash)
  const utilization = spec?.backendUtilization
  if (utilization !== undefined) return utilizationSettings(utilization, warmup(spec))
  switch (spec?.simple) {
    case 'PASSTHROUGH':
      return { kind: 'passthrough' }
    case 'RANDOM':
      // Envoy's random balancer knows no slow start either
      return { kind: 'random', warmup: undefined }
    case 'ROUND_ROBIN':
      return { kind: 'round-robin', warmup: warmup(spec) }
    default:
      return { kind: 'least-request', warmup: warmup(spec) }
  }
}

/** Envoy's `min_cluster_size`: with fewer endpoints the shares of zones would be too coarse. */
const defaultClusterSize = 6

/**
 * How far localities count: the rule's own setting as a whole, else the mesh's. Hashing needs the same endpoints for
 * every caller, so that localities do not count with it.
 */
export function localitySettings(
  spec: LoadBalancerSpec | undefined,
  mesh: LocalityLbSpec | undefined,
): LocalitySettings {
  const zoneAware = spec?.zoneAwareLbSetting
  const said: LocalityLbSpec = zoneAware ?? spec?.localityLbSetting ?? mesh ?? {}
  return {
    enabled: (said.enabled ?? true) && spec?.consistentHash === undefined,
    distribute: (said.distribute ?? []).map(({ from, to }) => ({ from: from ?? '', to: to ?? {} })),
    failover: (said.failover ?? []).map(({ from, to }) => ({ from: from ?? '', to: to ?? '' })),
    failoverPriority: said.failoverPriority ?? [],
    ...(zoneAware && { zoneAware: { minClusterSize: zoneAware.minClusterSize ?? defaultClusterSize } }),
  }
}

function hashSettings(spec: ConsistentHashSpec): BalancerSettings {
  const key = hashKey(spec)
  if (key === undefined) return { kind: 'random', warmup: undefined }
  if (spec.maglev !== undefined) return { kind: 'maglev', tableSize: spec.maglev.tableSize ?? 65_537, key }
  const minimumRingSize = spec.ringHash?.minimumRingSize ?? spec.minimumRingSize ?? 0
  return { kind: 'ring-hash', minimumRingSize: minimumRingSize > 0 ? minimumRingSize : 1024, key }
}

function hashKey(spec: ConsistentHashSpec): HashKey | undefined {
  const { httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName } = spec
  if (httpHeaderName !== undefined) return { kind: 'header', name: httpHeaderName.toLowerCase() }
  if (httpCookie !== undefined) {
    const attributes = (httpCookie.attributes ?? []).map(({ name, value }) => ({ name, value: value ?? '' }))
    const { name, path } = httpCookie
    return { kind: 'cookie', name, path: path ?? '', ttlMs: milliseconds(httpCookie.ttl), attributes }
  }
  if (useSourceIp === true) return { kind: 'source-ip' }
  return httpQueryParameterName === undefined ? undefined : { kind: 'query', name: httpQueryParameterName }
}

/** Envoy's `client_side_weighted_round_robin`, with its defaults; it updates no weights oftener than every 100 ms. */
function utilizationSettings(utilization: UtilizationSpec, warmup: WarmupSettings): BalancerSettings {
  return {
    kind: 'backend-utilization',
    warmup,
    stabilizationMs: milliseconds(utilization.weightStabilizationPeriod) ?? 10_000,
    expirationMs: milliseconds(utilization.weightExpirationPeriod) ?? 180_000,
    updateMs: Math.max(milliseconds(utilization.weightUpdatePeriod) ?? 1000, 100),
    errorPenalty: (utilization.errorUtilizationPenaltyPercent ?? 100) / 100,
    metrics: utilization.metricNamesForComputingUtilization ?? [],
  }
}

function warmup(spec: LoadBalancerSpec | undefined): WarmupSettings {
  const durationMs = milliseconds(spec?.warmup?.duration ?? spec?.warmupDurationSecs) ?? 0
  if (durationMs <= 0) return undefined
  const { minimumPercent, aggression } = spec?.warmup ?? {}
  return { durationMs, minimumPercent: minimumPercent ?? 10, aggression: aggression ?? 1 }
}
