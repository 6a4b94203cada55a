import t from 'tap'
import type { BalancerSettings, ClusterSettings, OutlierSettings } from '../../../../mesh/routing/cluster.ts'
import { clusterSettings } from '../../../../mesh/routing/cluster-settings.ts'
import { createDestinationRules } from '../../../../mesh/routing/destination-rules.ts'
import { parseDurationMs } from '../../../../mesh/std/duration.ts'
import { differences } from '../../../support/differences.ts'
import {
  type EffectiveCase,
  effectiveCases,
  type RecordedCluster,
  type RecordedSlowStart,
} from '../../../support/istio-recordings.ts'
import { recordedWorld } from '../../../support/istio-world.ts'

type ClusterCase = Extract<EffectiveCase, { kind: 'cluster' }>

function isClusterCase(entry: EffectiveCase): entry is ClusterCase {
  return entry.kind === 'cluster'
}

function settingsOf(entry: ClusterCase): ClusterSettings {
  const { traffic, domain, services } = recordedWorld(entry)
  const { host, port, subset } = entry
  const rules = createDestinationRules(traffic.destinationRules, entry.rootNamespace, domain)
  const namespace = services.find(({ hosts }) => hosts.includes(host))?.namespace ?? ''
  const rule = rules.outbound(entry.client, { names: [host], namespace })
  const cluster = `outbound|${port}|${subset}|${host}`
  return clusterSettings({ host, port, subset, cluster }, rule, traffic.mesh, { isKnown: true, serverName: host })
}

/** What the recording tells of a cluster, from our settings. */
function ofOurs(settings: ClusterSettings, isHttp2: boolean): unknown {
  const { balancer, outlier, tls } = settings
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries, retryBudget } = settings
  const isProxied = settings.proxyProtocol !== undefined && tls.mode !== 'auto'
  return {
    connectTimeoutMs: settings.connectTimeoutMs,
    limits: { maxConnections, maxPendingRequests, maxRequests, maxRetries },
    retryBudget: maxRetries === undefined ? retryBudget : undefined,
    balancer: 'key' in balancer ? { ...balancer, key: undefined } : balancer,
    isWeighted: settings.locality.distribute.length > 0,
    outlier: outlier === undefined ? undefined : withoutOff(outlier),
    tls: isProxied ? 'proxied' : tls.mode === 'mutual' ? 'simple' : tls.mode,
    sni: isProxied ? '' : tls.sni,
    httpIdleTimeoutMs: settings.httpIdleTimeoutMs,
    maxConnectionDurationMs: settings.maxConnectionDurationMs,
    maxRequestsPerConnection: settings.maxRequestsPerConnection,
    maxConcurrentStreams: isHttp2 || settings.h2Upgrade ? settings.maxConcurrentStreams : undefined,
    isHttp2: isHttp2 || settings.h2Upgrade,
    useClientProtocol: settings.useClientProtocol,
    tcpKeepalive: settings.tcpKeepalive,
  }
}

/** Local failures have no count of their own unless they are split off. */
function withoutOff(outlier: OutlierSettings): unknown {
  const { minHealthPercent: _, maxEjectionMs: __, ...rest } = outlier
  return outlier.splitLocalOrigin ? rest : { ...rest, consecutiveLocalOrigin: 0 }
}

const unlimited = 4_294_967_295

function ofIstio(cluster: RecordedCluster, isAuto: boolean): unknown {
  const [limits] = cluster.circuitBreakers.thresholds
  if (limits === undefined) throw new Error('a recorded cluster without limits')
  const bound = (value: number) => (value === unlimited ? undefined : value)
  const budget = limits.retryBudget
  const maxRetries = budget === undefined ? bound(limits.maxRetries) : undefined
  const http = cluster.httpProtocolOptions
  const common = http?.commonHttpProtocolOptions
  const http2 = http?.explicitHttpConfig?.http2ProtocolOptions
  const idle = milliseconds(common?.idleTimeout) ?? 3_600_000
  // Istio cannot ask endpoints that it does not know for their identity, and calls some of them in plaintext
  const isPassthrough = isAuto && cluster.lbPolicy === 'CLUSTER_PROVIDED'
  const keepalive = cluster.upstreamConnectionOptions?.tcpKeepalive
  return {
    connectTimeoutMs: milliseconds(cluster.connectTimeout),
    limits: {
      maxConnections: bound(limits.maxConnections),
      maxPendingRequests: bound(limits.maxPendingRequests),
      maxRequests: bound(limits.maxRequests),
      maxRetries,
    },
    // where Istio sets no bound at all our budget rules
    retryBudget:
      maxRetries === undefined
        ? { percent: budget?.budgetPercent.value ?? 20, minRetryConcurrency: budget?.minRetryConcurrency ?? 3 }
        : undefined,
    balancer: balancer(cluster),
    isWeighted: cluster.commonLbConfig.localityWeightedLbConfig !== undefined,
    outlier: outlier(cluster),
    ...(isPassthrough ? { tls: 'auto', sni: '' } : { tls: tls(cluster), sni: sni(cluster) }),
    httpIdleTimeoutMs: idle === 0 ? 2 ** 31 - 1 : idle,
    maxConnectionDurationMs: milliseconds(common?.maxConnectionDuration),
    maxRequestsPerConnection: common?.maxRequestsPerConnection,
    maxConcurrentStreams: http2?.maxConcurrentStreams,
    isHttp2: http2 !== undefined,
    useClientProtocol: http?.useDownstreamProtocolConfig !== undefined,
    tcpKeepalive: keepalive === undefined ? undefined : { timeMs: (keepalive.keepaliveTime ?? 7200) * 1000 },
  }
}

function balancer(cluster: RecordedCluster): Omit<BalancerSettings, 'key'> & { readonly key?: undefined } {
  const { lbPolicy } = cluster
  if (lbPolicy === 'CLUSTER_PROVIDED') return { kind: 'passthrough' }
  if (lbPolicy === 'RING_HASH') {
    return { kind: 'ring-hash', ...{ minimumRingSize: Number(cluster.ringHashLbConfig?.minimumRingSize) } }
  }
  if (lbPolicy === 'MAGLEV') return { kind: 'maglev', ...{ tableSize: Number(cluster.maglevLbConfig?.tableSize) } }
  const slow = (cluster.leastRequestLbConfig ?? cluster.roundRobinLbConfig)?.slowStartConfig
  const kinds = { LEAST_REQUEST: 'least-request', ROUND_ROBIN: 'round-robin', RANDOM: 'random' } as const
  const kind = Object.entries(kinds).find(([name]) => name === lbPolicy)?.[1]
  if (kind === undefined) throw new Error(`unknown balancer ${lbPolicy}`)
  return { kind, ...{ warmup: slow === undefined ? undefined : warmup(slow) } }
}

function warmup(slow: RecordedSlowStart): unknown {
  return {
    durationMs: milliseconds(slow.slowStartWindow),
    minimumPercent: slow.minWeightPercent?.value ?? 10,
    aggression: slow.aggression?.defaultValue ?? 1,
  }
}

function outlier({ outlierDetection: said }: RecordedCluster): unknown {
  if (said === undefined) return undefined
  const isSplit = said.splitExternalLocalOriginErrors ?? false
  return {
    consecutive5xx: said.consecutive5xx ?? 5,
    consecutiveGatewayErrors: said.enforcingConsecutiveGatewayFailure === 100 ? said.consecutiveGatewayFailure : 0,
    consecutiveLocalOrigin: isSplit ? (said.consecutiveLocalOriginFailure ?? 5) : 0,
    splitLocalOrigin: isSplit,
    intervalMs: milliseconds(said.interval) ?? 10_000,
    baseEjectionMs: milliseconds(said.baseEjectionTime) ?? 30_000,
    maxEjectionPercent: said.maxEjectionPercent ?? 10,
  }
}

function tls({ transportSocket, transportSocketMatches, sni }: RecordedCluster): string {
  if (transportSocketMatches === 2) return 'auto'
  // what is behind the PROXY header was not recorded
  if (transportSocket === 'envoy.transport_sockets.upstream_proxy_protocol') return 'proxied'
  if (transportSocket !== 'envoy.transport_sockets.tls') return transportSocket ?? 'disable'
  return sni?.startsWith('outbound_') === true ? 'istio-mutual' : 'simple'
}

/** Without a name Envoy takes that of the request, which is the host. */
function sni(cluster: RecordedCluster): string {
  const isAutomatic = cluster.httpProtocolOptions?.upstreamHttpProtocolOptions?.autoSni === true
  return isAutomatic ? 'cart.shop.svc.cluster.local' : (cluster.sni ?? '')
}

function milliseconds(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDurationMs(text)
}

t.test('destinations are called with the settings recorded of Istio', async t => {
  const all = effectiveCases().filter(isClusterCase)
  // refused as not implemented, by name, before they come here
  const cases = all.filter(({ configs }) => !configs.some(text => /credentialName/.test(text)))
  const wrong = cases.filter(entry => {
    const isHttp2 = entry.port === 9090
    const settings = settingsOf(entry)
    const theirs = ofIstio(entry.result.cluster, settings.tls.mode === 'auto')
    return canonical(ofOurs(settings, isHttp2)) !== canonical(theirs)
  })
  t.comment(`effective, cluster: ${cases.length - wrong.length} of ${cases.length} agree`)
  t.same([all.length, cases.length], [106, 104])
  t.same(wrong.map(({ id }) => id).toSorted(), differences('Effective settings', 'cluster'))
})

/** JSON with sorted keys. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
