import type { ClientTlsSpec, ConnectionPoolSpec, MeshSettingsSpec } from '../model/traffic.ts'
import { balancerSettings, localitySettings } from './balancer-settings.ts'
import type { ClusterSettings, UpstreamTlsSettings } from './cluster.ts'
import type { MergedRule } from './destination-rules.ts'
import { outlierSettings } from './outlier-settings.ts'
import { limit, milliseconds } from './policy-values.ts'
import type { RouteDestination } from './route.ts'
import { type PortPolicy, trafficPolicy } from './traffic-policy.ts'

type Target = Pick<RouteDestination, 'cluster' | 'host' | 'port' | 'subset'>

const hourMs = 3_600_000
/** What a timer can wait at most, some 24 days: never. */
const neverMs = 2 ** 31 - 1
/** Linux' own, for keep-alive without a time. */
const keepaliveMs = 7_200_000

/** What is known of a destination besides its rule. */
export interface TargetFacts {
  /** The client sees a service of that host with that port. */
  readonly isKnown: boolean
  /** What a certificate is expected to be for where TLS is asked for and no name is given; empty for nothing. */
  readonly serverName: string
}

/**
 * How a destination is called: what its DestinationRule and the mesh say, with every default. Of an unknown destination,
 * and for a subset that no rule declares, there is no cluster.
 */
export function clusterSettings(
  target: Target,
  rule: MergedRule | undefined,
  mesh: MeshSettingsSpec,
  { isKnown, serverName }: TargetFacts,
): ClusterSettings {
  const subset = rule?.subsets.find(({ name }) => name === target.subset)
  const policy = (rule === undefined ? undefined : trafficPolicy(rule, target.port, target.subset)) ?? {}
  const [from] = rule?.from ?? []
  return {
    cluster: target.cluster,
    rule: from === undefined ? '' : `DestinationRule ${from}`,
    subsetLabels: target.subset === '' ? {} : (subset?.labels ?? {}),
    exists: isKnown && (target.subset === '' || subset !== undefined),
    ...connections(policy, mesh),
    ...limits(policy),
    balancer: balancerSettings(policy.loadBalancer),
    outlier: outlierSettings(policy.outlierDetection),
    locality: localitySettings(policy.loadBalancer, mesh.localityLbSetting),
    tls: tlsSettings(policy.tls, target, serverName),
    ...proxies(policy),
  }
}

/** Calls of hosts that nobody knows: to the address that was asked for, as it is. */
export function passthroughSettings(target: Target, mesh: MeshSettingsSpec): ClusterSettings {
  return {
    ...clusterSettings({ ...target, subset: '' }, undefined, mesh, { isKnown: true, serverName: '' }),
    balancer: { kind: 'passthrough' },
    tls: tlsSettings({ mode: 'DISABLE' }, target, ''),
  }
}

/** What the connection itself says to a proxy that it leads to. */
function proxies({ tunnel, proxyProtocol }: PortPolicy): Pick<ClusterSettings, 'tunnel' | 'proxyProtocol'> {
  return {
    ...(tunnel && {
      tunnel: { method: tunnel.protocol || 'CONNECT', host: tunnel.targetHost, port: tunnel.targetPort },
    }),
    ...(proxyProtocol && { proxyProtocol: proxyProtocol.version === 'V2' ? 'v2' : 'v1' }),
  }
}

type Connections = Pick<
  ClusterSettings,
  | 'connectTimeoutMs'
  | 'tcpKeepalive'
  | 'httpIdleTimeoutMs'
  | 'tcpIdleTimeoutMs'
  | 'maxConnectionDurationMs'
  | 'useClientProtocol'
  | 'h2Upgrade'
  | 'http2Keepalive'
>

function connections({ connectionPool }: PortPolicy, mesh: MeshSettingsSpec): Connections {
  const { tcp = {}, http = {} } = connectionPool ?? {}
  const keepalive = tcp.tcpKeepalive ?? mesh.tcpKeepalive
  const tcpIdleMs = milliseconds(tcp.idleTimeout)
  const intervalMs = milliseconds(http.http2KeepAlive?.interval)
  const timeoutMs = milliseconds(http.http2KeepAlive?.timeout)
  const httpIdleMs = milliseconds(http.idleTimeout) ?? tcpIdleMs ?? hourMs
  return {
    connectTimeoutMs: milliseconds(tcp.connectTimeout) ?? milliseconds(mesh.connectTimeout) ?? 10_000,
    tcpKeepalive: keepalive === undefined ? undefined : { timeMs: milliseconds(keepalive.time) ?? keepaliveMs },
    httpIdleTimeoutMs: httpIdleMs > 0 ? httpIdleMs : neverMs,
    tcpIdleTimeoutMs: limit(tcpIdleMs ?? hourMs),
    maxConnectionDurationMs: limit(milliseconds(tcp.maxConnectionDuration)),
    useClientProtocol: http.useClientProtocol ?? false,
    h2Upgrade: http.h2UpgradePolicy === 'UPGRADE',
    ...(intervalMs !== undefined && timeoutMs !== undefined && { http2Keepalive: { intervalMs, timeoutMs } }),
  }
}

type Limits = PoolLimits & Pick<ClusterSettings, 'maxRetries' | 'retryBudget'>

function limits({ connectionPool, retryBudget }: PortPolicy): Limits {
  return {
    ...poolLimits(connectionPool),
    // a budget overrules the number
    maxRetries: retryBudget === undefined ? limit(connectionPool?.http?.maxRetries) : undefined,
    retryBudget: { percent: retryBudget?.percent ?? 20, minRetryConcurrency: retryBudget?.minRetryConcurrency ?? 3 },
  }
}

/** What a connection pool bounds; `undefined` is no bound. */
export type PoolLimits = Pick<
  ClusterSettings,
  'maxConnections' | 'maxPendingRequests' | 'maxRequests' | 'maxRequestsPerConnection' | 'maxConcurrentStreams'
>

/** The bounds of a `connectionPool` (Istio destination_rule.proto, ConnectionPoolSettings). */
export function poolLimits(pool: ConnectionPoolSpec | undefined): PoolLimits {
  const { tcp = {}, http = {} } = pool ?? {}
  return {
    maxConnections: limit(tcp.maxConnections),
    maxPendingRequests: limit(http.http1MaxPendingRequests),
    maxRequests: limit(http.http2MaxRequests),
    maxRequestsPerConnection: limit(http.maxRequestsPerConnection),
    maxConcurrentStreams: limit(http.maxConcurrentStreams),
  }
}

const tlsModes = { DISABLE: 'disable', SIMPLE: 'simple', MUTUAL: 'mutual', ISTIO_MUTUAL: 'istio-mutual' } as const

function tlsSettings(spec: ClientTlsSpec | undefined, target: Target, serverName: string): UpstreamTlsSettings {
  const mode = spec === undefined ? 'auto' : tlsModes[spec.mode ?? 'DISABLE']
  const meshSni = `outbound_.${target.port}_.${target.subset === '' ? '_' : `${target.subset}_`}.${target.host}`
  const defaults = { auto: '', disable: '', simple: serverName, mutual: serverName, 'istio-mutual': meshSni } as const
  return {
    mode,
    sni: spec?.sni || defaults[mode],
    clientCertificate: spec?.clientCertificate ?? '',
    privateKey: spec?.privateKey ?? '',
    caCertificates: spec?.caCertificates ?? '',
    caCrl: spec?.caCrl ?? '',
    credential: credentialOf(spec?.credentialName ?? ''),
    subjectAltNames: spec?.subjectAltNames ?? [],
    insecureSkipVerify: spec?.insecureSkipVerify ?? false,
  }
}

/** The last part of the name: secrets are of the namespace that the caller is in, and configmaps of the rule's own. */
function credentialOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}
