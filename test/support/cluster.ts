import { Cluster, type ClusterDeps } from '../../agent/dataplane/upstream/cluster.ts'
import { type ClusterEndpoint, EndpointState } from '../../agent/dataplane/upstream/endpoint.ts'
import { parseLocality } from '../../mesh/model/locality.ts'
import type { ClusterSettings, OutlierSettings } from '../../mesh/routing/cluster.ts'
import type { LocalClient } from '../../mesh/routing/locality.ts'
import { FakeClock } from '../fakes/clock.ts'

/** Settings of a cluster that no rule says anything about. */
export function clusterSettings(values: Partial<ClusterSettings> = {}): ClusterSettings {
  return {
    cluster: 'outbound|80||cart.shop.mesh',
    rule: '',
    subsetLabels: {},
    exists: true,
    connectTimeoutMs: 10_000,
    tcpKeepalive: undefined,
    maxConnections: undefined,
    maxPendingRequests: undefined,
    maxRequests: undefined,
    maxRequestsPerConnection: undefined,
    maxRetries: undefined,
    retryBudget: { percent: 20, minRetryConcurrency: 3 },
    httpIdleTimeoutMs: 3_600_000,
    tcpIdleTimeoutMs: undefined,
    maxConnectionDurationMs: undefined,
    useClientProtocol: false,
    h2Upgrade: false,
    maxConcurrentStreams: undefined,
    balancer: { kind: 'least-request', warmup: undefined },
    outlier: undefined,
    locality: { enabled: true, distribute: [], failover: [], failoverPriority: [] },
    tls: {
      mode: 'auto',
      sni: '',
      clientCertificate: '',
      privateKey: '',
      caCertificates: '',
      caCrl: '',
      credential: '',
      subjectAltNames: [],
      insecureSkipVerify: false,
    },
    ...values,
  }
}

/** Istio's defaults of `outlierDetection: {}`. */
export function outlierSettings(values: Partial<OutlierSettings> = {}): OutlierSettings {
  return {
    consecutive5xx: 5,
    consecutiveGatewayErrors: 0,
    consecutiveLocalOrigin: 5,
    splitLocalOrigin: false,
    intervalMs: 10_000,
    baseEjectionMs: 30_000,
    maxEjectionMs: 300_000,
    maxEjectionPercent: 10,
    minHealthPercent: 0,
    ...values,
  }
}

type EndpointValues = Partial<Omit<ClusterEndpoint, 'key' | 'locality'>> & { readonly locality?: string }

export function clusterEndpoint(key: string, values: EndpointValues = {}): ClusterEndpoint {
  return {
    key,
    weight: 1,
    health: 'healthy',
    labels: {},
    state: new EndpointState(),
    ...values,
    locality: parseLocality(values.locality ?? ''),
  }
}

/** `count` endpoints, `10.0.0.0:80` and on. */
export function clusterEndpoints(count: number, values: (index: number) => EndpointValues = () => ({})) {
  return Array.from({ length: count }, (_, index) =>
    clusterEndpoint(`10.0.${index >> 8}.${index & 255}:80`, values(index)),
  )
}

export const nowhere: LocalClient = { locality: parseLocality(''), labels: {} }

/** A cluster with these endpoints on a clock that stands still and a repeatable randomness. */
export function aCluster(
  settings: Partial<ClusterSettings>,
  endpoints: readonly ClusterEndpoint[],
  values: { readonly client?: LocalClient; readonly seed?: number; readonly observe?: ClusterDeps['observe'] } = {},
) {
  const clock = new FakeClock()
  const random = seededRandom(values.seed ?? 1)
  const cluster = new Cluster(clusterSettings(settings), { clock, random, observe: values.observe })
  cluster.update(endpoints, values.client ?? nowhere)
  return { cluster, clock, random }
}

/** How many of `picks` each endpoint gets, by key; `none` for no endpoint. */
export function countPicks(pick: (index: number) => ClusterEndpoint | undefined, picks: number): Map<string, number> {
  const counts = new Map<string, number>()
  for (let index = 0; index < picks; index += 1) {
    const key = pick(index)?.key ?? 'none'
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

/** A repeatable sequence of numbers in [0, 1): Weyl steps, scrambled (splitmix32). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
}
