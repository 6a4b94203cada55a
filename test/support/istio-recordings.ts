import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { LoadBalancerSpec, LocalityLbSpec, RetriesSpec, ZoneAwareLbSpec } from '../../mesh/model/traffic.ts'

/** One document and what Istio says of it; see `test/fixtures/istio/README.md`. */
export interface ValidationCase {
  readonly id: string
  readonly kind: string
  readonly yaml: string
  readonly verdict: 'valid' | 'warning' | 'invalid'
  readonly crd: 'accept' | 'reject' | null
  /** What the refusals are about, as paths. */
  readonly fields?: readonly string[]
  readonly crdFields?: readonly string[]
}

export interface PeerAuthenticationCase {
  readonly id: string
  readonly policies: readonly string[]
  readonly rootNamespace: string
  readonly workload: {
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
    readonly ports: readonly number[]
  }
  readonly result: {
    readonly default: string
    readonly perPort: Readonly<Record<string, string>>
    readonly ports: Readonly<Record<string, string>>
  }
}

export function validationCases(): ValidationCase[] {
  return lines('validation.jsonl.gz')
}

export function peerAuthenticationCases(): PeerAuthenticationCase[] {
  return lines('peerauth.jsonl.gz')
}

/** Operations on host names; which fields there are depends on `op`. */
export type HostMatchCase = { readonly id: string } & (
  | {
      readonly op: 'pair'
      readonly a: string
      readonly b: string
      readonly matches: boolean
      readonly aSubsetOfB: boolean
      readonly bSubsetOfA: boolean
      readonly aMoreSpecific: boolean
    }
  | {
      readonly op: 'mostSpecific'
      readonly list: readonly string[]
      readonly host: string
      readonly match: string | null
    }
  | { readonly op: 'sort'; readonly list: readonly string[]; readonly sorted: readonly string[] }
  | {
      readonly op: 'intersection'
      readonly left: readonly string[]
      readonly right: readonly string[]
      readonly intersection: readonly string[]
    }
  | {
      readonly op: 'forNamespace'
      readonly list: readonly string[]
      readonly namespace: string
      readonly names: readonly string[]
    }
  | {
      readonly op: 'shortname'
      readonly host: string
      readonly namespace: string
      readonly domain: string
      readonly fqdn: string
    }
)

export function hostMatchCases(): HostMatchCase[] {
  return lines('hostmatch.jsonl.gz')
}

/** What selection and effective settings are computed from: configs are YAML documents. */
export interface RecordedWorld {
  readonly services: readonly {
    readonly hostname: string
    readonly namespace: string
    readonly address: string
    readonly exportTo?: readonly string[]
    readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: string }[]
  }[]
  readonly configs: readonly string[]
  readonly client: { readonly namespace: string; readonly labels: Readonly<Record<string, string>> }
  readonly rootNamespace: string
}

export interface RecordedRoutes {
  readonly virtualHost: string | null
  readonly virtualServices: readonly string[]
  readonly routes: readonly {
    readonly cluster?: string
    readonly name?: string
    readonly virtualService: string | null
  }[]
}

export type SelectionCase = RecordedWorld & { readonly id: string } & (
    | {
        readonly type: 'destinationRule'
        readonly host: string
        readonly result: {
          readonly from: readonly string[]
          readonly host?: string
          readonly subsets?: readonly string[]
          readonly serviceVisible: boolean
          readonly policy?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
        }
      }
    | {
        readonly type: 'virtualService' | 'gatewayVirtualService'
        readonly authority: string
        readonly port: number
        readonly result: RecordedRoutes
      }
  )

export function selectionCases(): SelectionCase[] {
  return lines('selection.jsonl.gz')
}

/** A retry policy of Envoy, as far as Istio sets it. */
export interface RecordedRetry {
  readonly numRetries: number
  readonly retryOn: string
  readonly retriableStatusCodes?: readonly number[]
  readonly perTryTimeout?: string
  readonly retryBackOff?: { readonly baseInterval: string }
  readonly retryHostPredicate?: readonly unknown[]
  readonly retryPriority?: unknown
}

/** A cluster of Envoy: what Istio sets beyond Envoy's own defaults. */
export interface RecordedCluster {
  readonly lbPolicy: string
  readonly connectTimeout: string
  readonly sni?: string | null
  readonly transportSocket?: string
  /** 2 is automatic mutual TLS. */
  readonly transportSocketMatches: number
  readonly circuitBreakers: {
    readonly thresholds: readonly {
      readonly maxConnections: number
      readonly maxPendingRequests: number
      readonly maxRequests: number
      readonly maxRetries: number
      readonly retryBudget?: {
        readonly budgetPercent: { readonly value: number }
        readonly minRetryConcurrency: number
      }
    }[]
  }
  readonly commonLbConfig: { readonly localityWeightedLbConfig?: unknown }
  readonly httpProtocolOptions?: {
    readonly commonHttpProtocolOptions?: {
      readonly idleTimeout?: string
      readonly maxConnectionDuration?: string
      readonly maxRequestsPerConnection?: number
    }
    readonly explicitHttpConfig?: { readonly http2ProtocolOptions?: { readonly maxConcurrentStreams?: number } }
    readonly useDownstreamProtocolConfig?: unknown
    readonly upstreamHttpProtocolOptions?: { readonly autoSni?: boolean }
  }
  readonly upstreamConnectionOptions?: { readonly tcpKeepalive: { readonly keepaliveTime?: number } }
  readonly ringHashLbConfig?: { readonly minimumRingSize: string }
  readonly maglevLbConfig?: { readonly tableSize: string }
  readonly leastRequestLbConfig?: { readonly slowStartConfig: RecordedSlowStart }
  readonly roundRobinLbConfig?: { readonly slowStartConfig: RecordedSlowStart }
  readonly outlierDetection?: {
    readonly consecutive5xx?: number
    readonly consecutiveGatewayFailure?: number
    readonly enforcingConsecutiveGatewayFailure?: number
    readonly consecutiveLocalOriginFailure?: number
    readonly splitExternalLocalOriginErrors?: boolean
    readonly interval?: string
    readonly baseEjectionTime?: string
    readonly maxEjectionPercent?: number
  }
}

export interface RecordedSlowStart {
  readonly slowStartWindow: string
  readonly minWeightPercent?: { readonly value: number }
  readonly aggression?: { readonly defaultValue: number }
}

export type EffectiveCase = { readonly id: string } & (
  | {
      readonly kind: 'retry'
      readonly retries: RetriesSpec | null
      readonly effective: {
        readonly outbound: RecordedRetry | null
        readonly outboundConsistentHash: RecordedRetry | null
        readonly inbound: RecordedRetry | null
      }
    }
  | (RecordedWorld & {
      readonly kind: 'cluster'
      readonly host: string
      readonly port: number
      readonly subset: string
      readonly result: { readonly cluster: RecordedCluster; readonly from?: readonly string[] }
    })
)

export function effectiveCases(): EffectiveCase[] {
  return lines('effective.jsonl.gz')
}

export interface LocalityCase {
  readonly id: string
  readonly client: { readonly locality: string; readonly labels: Readonly<Record<string, string>> }
  readonly endpoints: readonly {
    readonly address: string
    readonly locality: string
    readonly labels: Readonly<Record<string, string>>
    readonly weight: number
  }[]
  readonly localityLbSetting?: LocalityLbSpec | null
  readonly zoneAwareLbSetting?: ZoneAwareLbSpec
  readonly outlierDetection: boolean
  readonly result: readonly {
    readonly locality: string
    readonly priority: number
    readonly weight: number
    readonly endpoints: readonly string[]
  }[]
}

/** What the recorded rule says of localities. */
export function loadBalancerOf({
  localityLbSetting,
  zoneAwareLbSetting,
}: Pick<LocalityCase, 'localityLbSetting' | 'zoneAwareLbSetting'>): LoadBalancerSpec {
  return zoneAwareLbSetting === undefined ? { localityLbSetting: localityLbSetting ?? {} } : { zoneAwareLbSetting }
}

export function localityCases(): LocalityCase[] {
  return lines('locality.jsonl.gz')
}

/** A call that was let through, or not, by Envoy with the filters that Istio makes of policies. */
export interface AuthzCase {
  readonly id: string
  readonly set: string
  readonly topic: string
  readonly policies: readonly string[]
  /** MeshConfig. */
  readonly mesh: string | null
  readonly workload: {
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
    readonly ip: string
    readonly port: number
    readonly protocol: 'http' | 'tcp'
  }
  /** Without a principal: plaintext. */
  readonly peer: { readonly principal: string | null; readonly sourceIp: string; readonly sni: string | null }
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers: readonly (readonly [name: string, value: string])[]
  } | null
  readonly result: {
    /** Null: refused as malformed, before any policy. */
    readonly allow: boolean | null
    /** Null for a connection. */
    readonly status: number | null
    readonly connection?: 'failed'
  }
}

export function authzCases(): AuthzCase[] {
  return lines('authz.jsonl.gz')
}

/** Policies that Istio's validation refuses. */
export interface RejectedPolicies {
  readonly set: string
  readonly policies: readonly string[]
}

export function rejectedAuthz(): RejectedPolicies[] {
  return lines('rejected-authz.jsonl.gz')
}

function lines<T>(name: string): T[] {
  const packed = readFileSync(new URL(`../fixtures/istio/${name}`, import.meta.url))
  return gunzipSync(packed)
    .toString()
    .trim()
    .split('\n')
    .map((line): T => JSON.parse(line))
}
