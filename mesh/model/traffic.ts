/**
 * Operators' traffic resources as routing reads them: Istio's `spec` as it was written and validated
 * (networking.istio.io/v1: virtual_service.proto, destination_rule.proto, sidecar.proto), with the metadata that decides
 * who wins. `mesh/resources` holds the schemas; these types have no dependency, so the data plane can use them.
 * Durations are Go durations as text (`1.5s`), percentages 0 to 100.
 */
export interface Config<Spec> {
  readonly namespace: string
  readonly name: string
  /** Milliseconds since 1970: the older of two wins where Istio says so, then the name, then the namespace. */
  readonly createdAt: number
  readonly spec: Spec
}

/** Everything operators have said about traffic, in no particular order. */
export interface TrafficConfig {
  /** Namespace whose DestinationRules and Sidecars hold for the whole mesh. */
  readonly rootNamespace: string
  readonly virtualServices: readonly Config<VirtualServiceSpec>[]
  readonly destinationRules: readonly Config<DestinationRuleSpec>[]
  readonly sidecars: readonly Config<SidecarSpec>[]
  readonly mesh: MeshSettingsSpec
}

type Optional<T> = T | undefined
type Labels = Readonly<Record<string, string>>

export interface StringMatch {
  readonly exact?: Optional<string>
  readonly prefix?: Optional<string>
  /** RE2, must match the whole value. */
  readonly regex?: Optional<string>
  /** Ours: whole path segments, `/foo` matches `/foo` and `/foo/x` but not `/foobar`. Only for `uri`. */
  readonly pathPrefix?: Optional<string>
}

export interface Percent {
  readonly value?: Optional<number>
}

export interface HeaderOperations {
  readonly set?: Optional<Labels>
  readonly add?: Optional<Labels>
  readonly remove?: Optional<readonly string[]>
}

export interface Headers {
  readonly request?: Optional<HeaderOperations>
  readonly response?: Optional<HeaderOperations>
}

export interface DestinationRef {
  readonly host: string
  readonly subset?: Optional<string>
  readonly port?: Optional<{ readonly number?: Optional<number> }>
}

export interface VirtualServiceSpec {
  /** Without any it holds only where another one delegates to it. */
  readonly hosts?: Optional<readonly string[]>
  readonly gateways?: Optional<readonly string[]>
  readonly http?: Optional<readonly HttpRouteSpec[]>
  readonly tls?: Optional<readonly TlsRouteSpec[]>
  readonly tcp?: Optional<readonly TcpRouteSpec[]>
  readonly exportTo?: Optional<readonly string[]>
}

export interface HttpRouteSpec {
  readonly name?: Optional<string>
  readonly match?: Optional<readonly HttpMatchSpec[]>
  readonly route?: Optional<readonly HttpDestinationSpec[]>
  readonly redirect?: Optional<{
    readonly uri?: Optional<string>
    readonly authority?: Optional<string>
    readonly port?: Optional<number>
    readonly derivePort?: Optional<'FROM_PROTOCOL_DEFAULT' | 'FROM_REQUEST_PORT'>
    readonly scheme?: Optional<string>
    readonly redirectCode?: Optional<number>
    /** In place of what the match found of the path; not beside `uri`. */
    readonly prefixRewrite?: Optional<string>
  }>
  readonly directResponse?: Optional<{
    readonly status: number
    readonly body?: Optional<{ readonly string?: Optional<string>; readonly bytes?: Optional<string> }>
  }>
  /** The VirtualService without hosts whose rules stand in place of this one, of the same namespace when it names none. */
  readonly delegate?: Optional<{ readonly name?: Optional<string>; readonly namespace?: Optional<string> }>
  readonly rewrite?: Optional<{
    readonly uri?: Optional<string>
    readonly authority?: Optional<string>
    readonly uriRegexRewrite?: Optional<{ readonly match?: Optional<string>; readonly rewrite?: Optional<string> }>
  }>
  readonly timeout?: Optional<string>
  readonly retries?: Optional<RetriesSpec>
  readonly fault?: Optional<{
    readonly delay?: Optional<{
      readonly fixedDelay?: Optional<string>
      readonly percentage?: Optional<Percent>
      /** The old form of `percentage`, which goes before it. */
      readonly percent?: Optional<number>
    }>
    readonly abort?: Optional<{
      readonly httpStatus?: Optional<number>
      readonly grpcStatus?: Optional<string>
      readonly percentage?: Optional<Percent>
    }>
  }>
  readonly mirror?: Optional<DestinationRef>
  readonly mirrorPercentage?: Optional<Percent>
  readonly mirrorPercent?: Optional<number>
  readonly mirrors?: Optional<
    readonly { readonly destination: DestinationRef; readonly percentage?: Optional<Percent> }[]
  >
  readonly corsPolicy?: Optional<{
    readonly allowOrigins?: Optional<readonly StringMatch[]>
    /** The old form of `allowOrigins`, which goes before it: exact texts. */
    readonly allowOrigin?: Optional<readonly string[]>
    readonly allowMethods?: Optional<readonly string[]>
    readonly allowHeaders?: Optional<readonly string[]>
    readonly exposeHeaders?: Optional<readonly string[]>
    readonly maxAge?: Optional<string>
    readonly allowCredentials?: Optional<boolean>
    readonly unmatchedPreflights?: Optional<'UNSPECIFIED' | 'FORWARD' | 'IGNORE'>
  }>
  readonly headers?: Optional<Headers>
}

export interface RetriesSpec {
  readonly attempts?: Optional<number>
  readonly perTryTimeout?: Optional<string>
  readonly retryOn?: Optional<string>
  readonly retryRemoteLocalities?: Optional<boolean>
  readonly retryIgnorePreviousHosts?: Optional<boolean>
  readonly backoff?: Optional<string>
}

export interface HttpMatchSpec {
  readonly name?: Optional<string>
  readonly uri?: Optional<StringMatch>
  readonly scheme?: Optional<StringMatch>
  readonly method?: Optional<StringMatch>
  readonly authority?: Optional<StringMatch>
  readonly headers?: Optional<Readonly<Record<string, StringMatch>>>
  readonly withoutHeaders?: Optional<Readonly<Record<string, StringMatch>>>
  readonly queryParams?: Optional<Readonly<Record<string, StringMatch>>>
  readonly port?: Optional<number>
  readonly sourceLabels?: Optional<Labels>
  readonly sourceNamespace?: Optional<string>
  readonly gateways?: Optional<readonly string[]>
  readonly ignoreUriCase?: Optional<boolean>
}

export interface HttpDestinationSpec {
  readonly destination: DestinationRef
  readonly weight?: Optional<number>
  readonly headers?: Optional<Headers>
}

export interface L4MatchSpec {
  readonly destinationSubnets?: Optional<readonly string[]>
  readonly port?: Optional<number>
  readonly sourceLabels?: Optional<Labels>
  readonly sourceNamespace?: Optional<string>
  readonly gateways?: Optional<readonly string[]>
}

export interface TlsRouteSpec {
  readonly match: readonly (L4MatchSpec & { readonly sniHosts: readonly string[] })[]
  readonly route?: Optional<readonly { readonly destination: DestinationRef; readonly weight?: Optional<number> }[]>
}

export interface TcpRouteSpec {
  readonly match?: Optional<readonly L4MatchSpec[]>
  readonly route?: Optional<readonly { readonly destination: DestinationRef; readonly weight?: Optional<number> }[]>
}

export interface DestinationRuleSpec {
  readonly host: string
  readonly trafficPolicy?: Optional<TrafficPolicySpec>
  readonly subsets?: Optional<
    readonly {
      readonly name: string
      readonly labels?: Optional<Labels>
      readonly trafficPolicy?: Optional<TrafficPolicySpec>
    }[]
  >
  readonly exportTo?: Optional<readonly string[]>
  readonly workloadSelector?: Optional<{ readonly matchLabels?: Optional<Labels> }>
}

/** What can be said of a port; a port's entry replaces the four parts as a whole. */
export interface PortPolicySpec {
  readonly loadBalancer?: Optional<LoadBalancerSpec>
  readonly connectionPool?: Optional<ConnectionPoolSpec>
  readonly outlierDetection?: Optional<OutlierDetectionSpec>
  readonly tls?: Optional<ClientTlsSpec>
}

export interface TrafficPolicySpec extends PortPolicySpec {
  readonly portLevelSettings?: Optional<
    readonly (PortPolicySpec & { readonly port?: Optional<{ readonly number?: Optional<number> }> })[]
  >
  readonly retryBudget?: Optional<{
    readonly percent?: Optional<number>
    readonly minRetryConcurrency?: Optional<number>
    readonly budgetInterval?: Optional<string>
  }>
  /** Connections of TCP and TLS go through this destination, which is a proxy of HTTP. */
  readonly tunnel?: Optional<{
    /** CONNECT when left out or empty. */
    readonly protocol?: Optional<'' | 'CONNECT' | 'POST'>
    readonly targetHost: string
    readonly targetPort: number
  }>
  /** V1 when nothing is said of the version. */
  readonly proxyProtocol?: Optional<{ readonly version?: Optional<'V1' | 'V2'> }>
}

export interface LoadBalancerSpec {
  readonly simple?: Optional<'UNSPECIFIED' | 'LEAST_CONN' | 'RANDOM' | 'PASSTHROUGH' | 'ROUND_ROBIN' | 'LEAST_REQUEST'>
  readonly consistentHash?: Optional<{
    readonly httpHeaderName?: Optional<string>
    readonly httpCookie?: Optional<{
      readonly name: string
      readonly path?: Optional<string>
      readonly ttl?: Optional<string>
      readonly attributes?: Optional<readonly { readonly name: string; readonly value?: Optional<string> }[]>
    }>
    readonly useSourceIp?: Optional<boolean>
    readonly httpQueryParameterName?: Optional<string>
    readonly ringHash?: Optional<{ readonly minimumRingSize?: Optional<number> }>
    readonly maglev?: Optional<{ readonly tableSize?: Optional<number> }>
    readonly minimumRingSize?: Optional<number>
  }>
  /** Round robin by the load that endpoints report (ORCA). Durations may be negative, which is none. */
  readonly backendUtilization?: Optional<{
    readonly weightStabilizationPeriod?: Optional<string>
    readonly weightExpirationPeriod?: Optional<string>
    readonly weightUpdatePeriod?: Optional<string>
    readonly errorUtilizationPenaltyPercent?: Optional<number>
    readonly metricNamesForComputingUtilization?: Optional<readonly string[]>
  }>
  readonly localityLbSetting?: Optional<LocalityLbSpec>
  readonly zoneAwareLbSetting?: Optional<ZoneAwareLbSpec>
  readonly warmup?: Optional<{
    readonly duration: string
    readonly minimumPercent?: Optional<number>
    readonly aggression?: Optional<number>
  }>
  readonly warmupDurationSecs?: Optional<string>
}

export interface LocalityLbSpec {
  readonly distribute?: Optional<
    readonly { readonly from?: Optional<string>; readonly to?: Optional<Readonly<Record<string, number>>> }[]
  >
  readonly failover?: Optional<readonly { readonly from?: Optional<string>; readonly to?: Optional<string> }[]>
  readonly failoverPriority?: Optional<readonly string[]>
  readonly enabled?: Optional<boolean>
}

export interface ZoneAwareLbSpec extends Omit<LocalityLbSpec, 'distribute'> {
  /** Below so many endpoints zones do not count; 6 when left out. */
  readonly minClusterSize?: Optional<number>
}

export interface ConnectionPoolSpec {
  readonly tcp?: Optional<{
    readonly maxConnections?: Optional<number>
    readonly connectTimeout?: Optional<string>
    readonly tcpKeepalive?: Optional<{
      readonly probes?: Optional<number>
      readonly time?: Optional<string>
      readonly interval?: Optional<string>
    }>
    readonly maxConnectionDuration?: Optional<string>
    readonly idleTimeout?: Optional<string>
  }>
  readonly http?: Optional<{
    readonly http1MaxPendingRequests?: Optional<number>
    readonly http2MaxRequests?: Optional<number>
    readonly maxRequestsPerConnection?: Optional<number>
    readonly maxRetries?: Optional<number>
    readonly idleTimeout?: Optional<string>
    readonly h2UpgradePolicy?: Optional<'DEFAULT' | 'DO_NOT_UPGRADE' | 'UPGRADE'>
    readonly useClientProtocol?: Optional<boolean>
    readonly maxConcurrentStreams?: Optional<number>
    readonly http2KeepAlive?: Optional<{ readonly interval: string; readonly timeout: string }>
  }>
}

export interface OutlierDetectionSpec {
  readonly consecutiveErrors?: Optional<number>
  readonly splitExternalLocalOriginErrors?: Optional<boolean>
  readonly consecutiveLocalOriginFailures?: Optional<number>
  readonly consecutiveGatewayErrors?: Optional<number>
  readonly consecutive5xxErrors?: Optional<number>
  readonly interval?: Optional<string>
  readonly baseEjectionTime?: Optional<string>
  readonly maxEjectionPercent?: Optional<number>
  readonly minHealthPercent?: Optional<number>
  /** Statuses that count as failures; none are all 5xx. */
  readonly outlierDetectionHttpErrorCodes?: Optional<readonly number[]>
}

export interface ClientTlsSpec {
  readonly mode?: Optional<'DISABLE' | 'SIMPLE' | 'MUTUAL' | 'ISTIO_MUTUAL'>
  readonly clientCertificate?: Optional<string>
  readonly privateKey?: Optional<string>
  readonly caCertificates?: Optional<string>
  readonly subjectAltNames?: Optional<readonly string[]>
  readonly sni?: Optional<string>
  /** Stands for the files of that name on the caller's host: `c`, `kubernetes://c`, or `configmap://<namespace>/c`. */
  readonly credentialName?: Optional<string>
  readonly caCrl?: Optional<string>
  readonly insecureSkipVerify?: Optional<boolean>
}

type TlsVersion = 'TLS_AUTO' | 'TLSV1_0' | 'TLSV1_1' | 'TLSV1_2' | 'TLSV1_3'

/** TLS that callers outside the mesh speak to a port; files are on the workload's host. */
export interface ServerTlsSpec {
  /** PASSTHROUGH when left out: the process gets what comes. */
  readonly mode?: Optional<'PASSTHROUGH' | 'SIMPLE' | 'MUTUAL' | 'OPTIONAL_MUTUAL'>
  readonly serverCertificate?: Optional<string>
  readonly privateKey?: Optional<string>
  readonly caCertificates?: Optional<string>
  readonly caCrl?: Optional<string>
  readonly minProtocolVersion?: Optional<TlsVersion>
  readonly maxProtocolVersion?: Optional<TlsVersion>
  readonly cipherSuites?: Optional<readonly string[]>
}

export interface SidecarSpec {
  readonly workloadSelector?: Optional<{ readonly labels?: Optional<Labels> }>
  readonly egress?: Optional<
    readonly {
      readonly port?: Optional<{
        readonly number?: Optional<number>
        readonly name?: Optional<string>
        readonly protocol?: Optional<string>
      }>
      readonly hosts?: Optional<readonly string[]>
      /** NONE: callers connect to `bind` (127.0.0.1 when left out) and the port themselves. */
      readonly captureMode?: Optional<'DEFAULT' | 'IPTABLES' | 'NONE'>
      readonly bind?: Optional<string>
    }[]
  >
  readonly ingress?: Optional<
    readonly {
      readonly port?: Optional<{
        readonly number?: Optional<number>
        readonly name?: Optional<string>
        readonly protocol?: Optional<string>
      }>
      /** Where it is delivered; the workload's own port when left out. */
      readonly defaultEndpoint?: Optional<string>
      /** The workload's own address, or one that stands for all. */
      readonly bind?: Optional<string>
      readonly connectionPool?: Optional<ConnectionPoolSpec>
      readonly tls?: Optional<ServerTlsSpec>
    }[]
  >
  readonly outboundTrafficPolicy?: Optional<{ readonly mode?: Optional<'REGISTRY_ONLY' | 'ALLOW_ANY'> }>
  readonly inboundConnectionPool?: Optional<ConnectionPoolSpec>
}

/** `weft.dev/v1` MeshSettings: what Istio keeps in MeshConfig and ProxyConfig; one, in the root namespace. */
export interface MeshSettingsSpec {
  /** What happens to calls of hosts that nobody knows; ALLOW_ANY when left out. */
  readonly outboundTrafficPolicy?: Optional<{ readonly mode?: Optional<'REGISTRY_ONLY' | 'ALLOW_ANY'> }>
  /** Retries of HTTP routes that say nothing themselves. */
  readonly defaultHttpRetryPolicy?: Optional<RetriesSpec>
  /** Mesh-wide locality setting; `enabled: true` when left out. */
  readonly localityLbSetting?: Optional<LocalityLbSpec>
  readonly connectTimeout?: Optional<string>
  readonly tcpKeepalive?: Optional<{
    readonly probes?: Optional<number>
    readonly time?: Optional<string>
    readonly interval?: Optional<string>
  }>
  readonly pathNormalization?: Optional<{
    readonly normalization?: Optional<'DEFAULT' | 'NONE' | 'BASE' | 'MERGE_SLASHES' | 'DECODE_AND_MERGE_SLASHES'>
  }>
  /** Other names of the trust domain: in policies each stands for all (Istio's MeshConfig.trustDomainAliases). */
  readonly trustDomainAliases?: Optional<readonly string[]>
  /** Access logs of HTTP requests: absent leaves the agents' own setting. */
  readonly accessLogEncoding?: Optional<'TEXT' | 'JSON'>
  readonly tracing?: Optional<{
    /** OTLP/HTTP endpoint, `http://host:4318`; without one nothing is exported. */
    readonly otlpEndpoint?: Optional<string>
    /** Percent of requests without a decision of their caller; 1 when left out. */
    readonly sampling?: Optional<number>
  }>
}
