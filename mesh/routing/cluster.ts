/**
 * How one destination (host, port, subset) is called by one client: what DestinationRule, Sidecar and MeshSettings come
 * to once merged (features 2.22), with every default filled in. Times in milliseconds; `undefined` limits are none.
 */
export interface ClusterSettings {
  /** `outbound|<port>|<subset>|<host>`. */
  readonly cluster: string
  /** `DestinationRule shop/cart`, for refusals and explanations; empty without one. */
  readonly rule: string
  /** Labels that endpoints must have: the subset's. */
  readonly subsetLabels: Readonly<Record<string, string>>
  /** False for a subset that no rule declares: the cluster does not exist (503). */
  readonly exists: boolean
  readonly connectTimeoutMs: number
  readonly tcpKeepalive: { readonly timeMs: number } | undefined
  /** Open connections to applications outside the mesh, or tunnels of TCP. */
  readonly maxConnections: number | undefined
  /** Requests that wait for a connection. */
  readonly maxPendingRequests: number | undefined
  /** Requests under way. */
  readonly maxRequests: number | undefined
  readonly maxRequestsPerConnection: number | undefined
  /** Retries under way at once; absent where a budget rules instead. */
  readonly maxRetries: number | undefined
  /** Retries may be `percent` of the requests under way, and always `minRetryConcurrency`. */
  readonly retryBudget: { readonly percent: number; readonly minRetryConcurrency: number }
  /** How long an unused HTTP connection is kept (some 24 days for ever), and a TCP connection on which nothing moves. */
  readonly httpIdleTimeoutMs: number
  readonly tcpIdleTimeoutMs: number | undefined
  readonly maxConnectionDurationMs: number | undefined
  readonly useClientProtocol: boolean
  readonly h2Upgrade: boolean
  readonly maxConcurrentStreams: number | undefined
  /** A question after so much silence on a connection of HTTP/2, and how long its answer may take. */
  readonly http2Keepalive?: { readonly intervalMs: number; readonly timeoutMs: number } | undefined
  /** Connections to endpoints outside the mesh begin with whom they are made for. */
  readonly proxyProtocol?: 'v1' | 'v2' | undefined
  /** Connections of bytes ask the endpoint, a proxy, to be taken on to there. */
  readonly tunnel?: TunnelSettings | undefined
  readonly balancer: BalancerSettings
  readonly outlier: OutlierSettings | undefined
  readonly locality: LocalitySettings
  readonly tls: UpstreamTlsSettings
}

export interface TunnelSettings {
  readonly method: 'CONNECT' | 'POST'
  readonly host: string
  readonly port: number
}

/** How weights follow from what endpoints report of their load. */
export interface UtilizationSettings {
  /** Reports count once an endpoint has sent them for so long. */
  readonly stabilizationMs: number
  /** An endpoint that has sent none for so long has no weight of its own any more. */
  readonly expirationMs: number
  readonly updateMs: number
  /** What a share of errors of 1 adds to the utilization. */
  readonly errorPenalty: number
  /** Whose highest is the utilization: `named_metrics.queue`, `utilization.*`; else the application's or the CPU's. */
  readonly metrics: readonly string[]
}

export type WarmupSettings =
  | { readonly durationMs: number; readonly minimumPercent: number; readonly aggression: number }
  | undefined

export type BalancerSettings =
  | {
      readonly kind: 'least-request' | 'round-robin' | 'random'
      readonly warmup: WarmupSettings
    }
  | ({ readonly kind: 'backend-utilization'; readonly warmup: WarmupSettings } & UtilizationSettings)
  /** To the address that the caller asked for. */
  | { readonly kind: 'passthrough' }
  | { readonly kind: 'ring-hash'; readonly minimumRingSize: number; readonly key: HashKey }
  | { readonly kind: 'maglev'; readonly tableSize: number; readonly key: HashKey }

export type HashKey =
  | { readonly kind: 'header'; readonly name: string }
  | {
      readonly kind: 'cookie'
      readonly name: string
      readonly path: string
      /** With a time to live a missing cookie is made; 0 makes a session cookie; absent makes none. */
      readonly ttlMs: number | undefined
      readonly attributes: readonly { readonly name: string; readonly value: string }[]
    }
  | { readonly kind: 'source-ip' }
  | { readonly kind: 'query'; readonly name: string }

export interface OutlierSettings {
  /** In a row; 0 is off. */
  readonly consecutive5xx: number
  readonly consecutiveGatewayErrors: number
  readonly consecutiveLocalOrigin: number
  /** Local-origin failures (connect, reset, time-out) count apart from what the endpoint answered. */
  readonly splitLocalOrigin: boolean
  readonly intervalMs: number
  readonly baseEjectionMs: number
  readonly maxEjectionMs: number
  /** Of all endpoints; one may always be ejected. */
  readonly maxEjectionPercent: number
  /** Below this share of healthy endpoints health is not looked at; 0 never. */
  readonly minHealthPercent: number
  /** Statuses of answers that count as failures; absent for all 5xx. */
  readonly errorStatuses?: readonly number[] | undefined
}

export interface LocalitySettings {
  readonly enabled: boolean
  /** Shares of traffic by locality, for callers in `from`; the first that fits counts. */
  readonly distribute: readonly { readonly from: string; readonly to: Readonly<Record<string, number>> }[]
  readonly failover: readonly { readonly from: string; readonly to: string }[]
  readonly failoverPriority: readonly string[]
  /** All zones of a region are equally near, and each keeps of its callers' traffic what it can carry. */
  readonly zoneAware?: ZoneAwareSettings | undefined
}

export interface ZoneAwareSettings {
  /** Below so many healthy endpoints zones do not count. */
  readonly minClusterSize: number
}

export interface UpstreamTlsSettings {
  /** `auto`: mutual TLS of the mesh where the endpoint has an identity, else plaintext. */
  readonly mode: 'auto' | 'disable' | 'simple' | 'mutual' | 'istio-mutual'
  /** Sent, and what the certificate must be for without `subjectAltNames`; empty where no name can be expected. */
  readonly sni: string
  /** Paths of PEM files on the agent's host; empty for none. */
  readonly clientCertificate: string
  readonly privateKey: string
  readonly caCertificates: string
  /** PEM of what authorities have taken back. */
  readonly caCrl: string
  /** Directory of the files below the agent's own for such; instead of the three paths. */
  readonly credential: string
  readonly subjectAltNames: readonly string[]
  readonly insecureSkipVerify: boolean
}
