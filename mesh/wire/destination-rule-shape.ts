import type {
  ClientTlsSpec,
  ConnectionPoolSpec,
  DestinationRuleSpec,
  LoadBalancerSpec,
  LocalityLbSpec,
  OutlierDetectionSpec,
  TrafficPolicySpec,
  ZoneAwareLbSpec,
} from '../model/traffic.ts'
import {
  amount,
  count,
  duration,
  flag,
  integer,
  listOf,
  mapOf,
  needed,
  objectOf,
  oneOf,
  percent,
  signedDuration,
  text,
} from './shape.ts'

type Part<T, Key extends keyof T> = Exclude<T[Key], undefined>
type Tcp = Part<ConnectionPoolSpec, 'tcp'>
type Hash = Part<LoadBalancerSpec, 'consistentHash'>
type Cookie = Part<Hash, 'httpCookie'>
type Subset = Part<DestinationRuleSpec, 'subsets'>[number]
type PortPolicy = Part<TrafficPolicySpec, 'portLevelSettings'>[number]

const texts = listOf(text)
const labels = mapOf(text)

/** Also of MeshSettings. */
export const tcpKeepalive = objectOf<Part<Tcp, 'tcpKeepalive'>>({ probes: count, time: duration, interval: duration })

/** Also of Sidecars, for what comes in. */
export const connectionPool = objectOf<ConnectionPoolSpec>({
  tcp: objectOf<Tcp>({
    maxConnections: count,
    connectTimeout: duration,
    tcpKeepalive,
    maxConnectionDuration: duration,
    idleTimeout: duration,
  }),
  http: objectOf<Part<ConnectionPoolSpec, 'http'>>({
    http1MaxPendingRequests: count,
    http2MaxRequests: count,
    maxRequestsPerConnection: count,
    maxRetries: count,
    idleTimeout: duration,
    h2UpgradePolicy: oneOf('DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'),
    useClientProtocol: flag,
    maxConcurrentStreams: count,
    http2KeepAlive: objectOf<Part<Part<ConnectionPoolSpec, 'http'>, 'http2KeepAlive'>>({
      interval: needed(duration),
      timeout: needed(duration),
    }),
  }),
})

const failover = listOf(objectOf<Part<LocalityLbSpec, 'failover'>[number]>({ from: text, to: text }))

/** Also of MeshSettings. */
export const localityLb = objectOf<LocalityLbSpec>({
  distribute: listOf(objectOf<Part<LocalityLbSpec, 'distribute'>[number]>({ from: text, to: mapOf(count) })),
  failover,
  failoverPriority: texts,
  enabled: flag,
})

const zoneAwareLb = objectOf<ZoneAwareLbSpec>({
  failover,
  failoverPriority: texts,
  enabled: flag,
  minClusterSize: count,
})

const consistentHash = objectOf<Hash>({
  httpHeaderName: text,
  httpCookie: objectOf<Cookie>({
    name: needed(text),
    path: text,
    ttl: duration,
    attributes: listOf(objectOf<Part<Cookie, 'attributes'>[number]>({ name: needed(text), value: text })),
  }),
  useSourceIp: flag,
  httpQueryParameterName: text,
  ringHash: objectOf<Part<Hash, 'ringHash'>>({ minimumRingSize: count }),
  maglev: objectOf<Part<Hash, 'maglev'>>({ tableSize: count }),
  minimumRingSize: count,
})

const loadBalancer = objectOf<LoadBalancerSpec>({
  simple: oneOf('UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'),
  consistentHash,
  backendUtilization: objectOf<Part<LoadBalancerSpec, 'backendUtilization'>>({
    weightStabilizationPeriod: signedDuration,
    weightExpirationPeriod: signedDuration,
    weightUpdatePeriod: signedDuration,
    errorUtilizationPenaltyPercent: count,
    metricNamesForComputingUtilization: texts,
  }),
  localityLbSetting: localityLb,
  zoneAwareLbSetting: zoneAwareLb,
  warmup: objectOf<Part<LoadBalancerSpec, 'warmup'>>({
    duration: needed(duration),
    minimumPercent: percent,
    aggression: amount,
  }),
  warmupDurationSecs: duration,
})

const outlierDetection = objectOf<OutlierDetectionSpec>({
  consecutiveErrors: integer,
  splitExternalLocalOriginErrors: flag,
  consecutiveLocalOriginFailures: count,
  consecutiveGatewayErrors: count,
  consecutive5xxErrors: count,
  interval: duration,
  baseEjectionTime: duration,
  maxEjectionPercent: count,
  minHealthPercent: count,
  outlierDetectionHttpErrorCodes: listOf(count),
})

const tls = objectOf<ClientTlsSpec>({
  mode: oneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL'),
  clientCertificate: text,
  privateKey: text,
  caCertificates: text,
  subjectAltNames: texts,
  sni: text,
  credentialName: text,
  caCrl: text,
  insecureSkipVerify: flag,
})

const portPolicy = { loadBalancer, connectionPool, outlierDetection, tls }

const trafficPolicy = objectOf<TrafficPolicySpec>({
  ...portPolicy,
  portLevelSettings: listOf(
    objectOf<PortPolicy>({ ...portPolicy, port: objectOf<Part<PortPolicy, 'port'>>({ number: count }) }),
  ),
  retryBudget: objectOf<Part<TrafficPolicySpec, 'retryBudget'>>({
    percent,
    minRetryConcurrency: count,
    budgetInterval: duration,
  }),
  tunnel: objectOf<Part<TrafficPolicySpec, 'tunnel'>>({
    protocol: oneOf('', 'CONNECT', 'POST'),
    targetHost: needed(text),
    targetPort: needed(count),
  }),
  proxyProtocol: objectOf<Part<TrafficPolicySpec, 'proxyProtocol'>>({ version: oneOf('V1', 'V2') }),
})

/** A DestinationRule's spec as it travels. */
export const destinationRule = objectOf<DestinationRuleSpec>({
  host: needed(text),
  trafficPolicy,
  subsets: listOf(objectOf<Subset>({ name: needed(text), labels, trafficPolicy })),
  exportTo: texts,
  workloadSelector: objectOf<Part<DestinationRuleSpec, 'workloadSelector'>>({ matchLabels: labels }),
})
