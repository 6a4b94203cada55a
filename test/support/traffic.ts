import type {
  DestinationRuleSpec,
  MeshSettingsSpec,
  SidecarSpec,
  VirtualServiceSpec,
} from '../../mesh/model/traffic.ts'
import type { TrafficResource } from '../../mesh/model/traffic-resource.ts'

const place = { kind: 'traffic', namespace: 'shop', createdAt: Date.UTC(2026, 0, 2, 3, 4, 5) } as const

/** Traffic resources for tests that send them around; the whole ones below have every field there is. */
export function virtualServiceResource(name: string, spec: VirtualServiceSpec): TrafficResource {
  return { ...place, resource: 'VirtualService', name, spec }
}

export function destinationRuleResource(name: string, spec: DestinationRuleSpec): TrafficResource {
  return { ...place, resource: 'DestinationRule', name, spec }
}

const destination = { host: 'cart', subset: 'v2', port: { number: 80 } }
const headers = {
  request: { set: { 'x-a': 'tab\there', '10': 'ten' }, add: { 'x-b': '' }, remove: ['x-c'] },
  response: { remove: ['server'] },
}
const labels = { version: 'v2', __proto__x: 'odd' }

const wholeVirtualService: VirtualServiceSpec = {
  hosts: ['cart', '*.shop.example'],
  gateways: ['mesh'],
  exportTo: ['.', 'web'],
  http: [
    {
      name: 'first',
      match: [
        {
          name: 'cart-api',
          uri: { regex: '/v[12]/.*' },
          scheme: { exact: 'http' },
          method: { exact: 'GET' },
          authority: { prefix: 'cart' },
          headers: { 'x-user': { exact: 'ann' }, 'x-present': {} },
          withoutHeaders: { 'x-debug': {} },
          queryParams: { page: { regex: '\\d+' } },
          port: 80,
          sourceLabels: labels,
          sourceNamespace: 'web',
          gateways: ['mesh'],
          ignoreUriCase: true,
        },
        { uri: { pathPrefix: '/cart' } },
      ],
      route: [
        { destination, weight: 90, headers },
        { destination: { host: 'cart.old.mesh' }, weight: 10 },
      ],
      rewrite: {
        uri: '/',
        authority: 'cart.internal',
        uriRegexRewrite: { match: '^/v1/(.*)$', rewrite: '/\\1' },
      },
      timeout: '1.5s',
      retries: {
        attempts: 3,
        perTryTimeout: '500ms',
        retryOn: '5xx,reset,418',
        retryRemoteLocalities: true,
        retryIgnorePreviousHosts: false,
        backoff: '25ms',
      },
      fault: {
        delay: { fixedDelay: '1h30m', percentage: { value: 0.01 }, percent: 1 },
        abort: { httpStatus: 503, grpcStatus: 'UNAVAILABLE', percentage: { value: 100 } },
      },
      mirror: destination,
      mirrorPercentage: { value: 12.5 },
      mirrorPercent: 12,
      mirrors: [{ destination, percentage: {} }],
      corsPolicy: {
        allowOrigins: [{ exact: 'https://shop.example' }],
        allowOrigin: ['https://shop.example'],
        allowMethods: ['GET'],
        allowHeaders: ['x-user'],
        exposeHeaders: ['x-page'],
        maxAge: '24h',
        allowCredentials: true,
        unmatchedPreflights: 'IGNORE',
      },
      headers,
    },
    {
      redirect: {
        uri: '/new',
        authority: 'shop.example',
        port: 8443,
        derivePort: 'FROM_REQUEST_PORT',
        scheme: 'https',
        redirectCode: 308,
        prefixRewrite: '/newer',
      },
    },
    { directResponse: { status: 503, body: { string: 'closed\nuntil nine', bytes: 'Y2xvc2Vk' } } },
    { delegate: { name: 'kid', namespace: 'payments' } },
  ],
  tls: [{ match: [{ sniHosts: ['*.shop.example'], port: 443 }], route: [{ destination, weight: 1 }] }],
  tcp: [
    {
      match: [
        {
          destinationSubnets: ['10.0.0.0/8'],
          port: 5432,
          sourceLabels: labels,
          sourceNamespace: 'web',
          gateways: ['mesh'],
        },
      ],
      route: [{ destination }],
    },
  ],
}

const portPolicy = {
  loadBalancer: {
    simple: 'LEAST_REQUEST',
    consistentHash: {
      httpHeaderName: 'x-user',
      httpCookie: { name: 'user', path: '/', ttl: '0s', attributes: [{ name: 'SameSite', value: 'Lax' }] },
      useSourceIp: true,
      httpQueryParameterName: 'user',
      ringHash: { minimumRingSize: 1024 },
      maglev: { tableSize: 65537 },
      minimumRingSize: 512,
    },
    backendUtilization: {
      weightStabilizationPeriod: '10s',
      weightExpirationPeriod: '3m',
      weightUpdatePeriod: '-1s',
      errorUtilizationPenaltyPercent: 150,
      metricNamesForComputingUtilization: ['named_metrics.queue'],
    },
    localityLbSetting: {
      distribute: [{ from: 'eu/*', to: { 'eu/eu-1/*': 80, 'us/*': 20 } }],
      failover: [{ from: 'eu', to: 'us' }],
      failoverPriority: ['topology.kubernetes.io/region'],
      enabled: false,
    },
    zoneAwareLbSetting: {
      failover: [{ from: 'eu', to: 'us' }],
      failoverPriority: ['version'],
      enabled: true,
      minClusterSize: 3,
    },
    warmup: { duration: '60s', minimumPercent: 10, aggression: 1.5 },
    warmupDurationSecs: '30s',
  },
  connectionPool: {
    tcp: {
      maxConnections: 100,
      connectTimeout: '30ms',
      tcpKeepalive: { probes: 9, time: '7200s', interval: '75s' },
      maxConnectionDuration: '1h',
      idleTimeout: '1h',
    },
    http: {
      http1MaxPendingRequests: 1,
      http2MaxRequests: 2,
      maxRequestsPerConnection: 3,
      maxRetries: 4,
      idleTimeout: '1h',
      h2UpgradePolicy: 'UPGRADE',
      useClientProtocol: true,
      maxConcurrentStreams: 5,
      http2KeepAlive: { interval: '10s', timeout: '3s' },
    },
  },
  outlierDetection: {
    consecutiveErrors: 1,
    splitExternalLocalOriginErrors: true,
    consecutiveLocalOriginFailures: 2,
    consecutiveGatewayErrors: 3,
    consecutive5xxErrors: 4,
    interval: '10s',
    baseEjectionTime: '30s',
    maxEjectionPercent: 100,
    minHealthPercent: 0,
    outlierDetectionHttpErrorCodes: [429, 503],
  },
  tls: {
    mode: 'SIMPLE',
    clientCertificate: '/etc/weft/client.pem',
    privateKey: '/etc/weft/client.key',
    caCertificates: '/etc/weft/ca.pem',
    subjectAltNames: ['cart.example'],
    sni: 'cart.example',
    credentialName: 'cart',
    caCrl: '/etc/weft/crl.pem',
    insecureSkipVerify: false,
  },
} as const

const wholeDestinationRule: DestinationRuleSpec = {
  host: 'cart',
  trafficPolicy: {
    ...portPolicy,
    portLevelSettings: [{ ...portPolicy, port: { number: 8080 } }],
    retryBudget: { percent: 20, minRetryConcurrency: 3, budgetInterval: '10s' },
    tunnel: { protocol: 'CONNECT', targetHost: 'vault.example', targetPort: 443 },
    proxyProtocol: { version: 'V2' },
  },
  subsets: [{ name: 'v2', labels, trafficPolicy: portPolicy }, { name: 'v1' }],
  exportTo: ['*'],
  workloadSelector: { matchLabels: labels },
}

const wholeSidecar: SidecarSpec = {
  workloadSelector: { labels },
  egress: [
    {
      port: { number: 80, name: 'http', protocol: 'HTTP' },
      hosts: ['./*', 'shop/cart.shop.mesh'],
      captureMode: 'NONE',
      bind: '127.0.0.1',
    },
    {},
  ],
  ingress: [
    {
      port: { number: 8080, name: 'http', protocol: 'HTTP' },
      defaultEndpoint: 'unix:///run/cart.sock',
      bind: '0.0.0.0',
      connectionPool: portPolicy.connectionPool,
      tls: {
        mode: 'MUTUAL',
        serverCertificate: '/etc/cart/tls.crt',
        privateKey: '/etc/cart/tls.key',
        caCertificates: '/etc/cart/ca.crt',
        caCrl: '/etc/cart/crl.pem',
        minProtocolVersion: 'TLSV1_2',
        maxProtocolVersion: 'TLSV1_3',
        cipherSuites: ['ECDHE-RSA-AES128-GCM-SHA256'],
      },
    },
    {},
  ],
  outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' },
  inboundConnectionPool: portPolicy.connectionPool,
}

const wholeMeshSettings: MeshSettingsSpec = {
  outboundTrafficPolicy: { mode: 'ALLOW_ANY' },
  defaultHttpRetryPolicy: { attempts: 0 },
  localityLbSetting: portPolicy.loadBalancer.localityLbSetting,
  connectTimeout: '10s',
  tcpKeepalive: portPolicy.connectionPool.tcp.tcpKeepalive,
  pathNormalization: { normalization: 'MERGE_SLASHES' },
  trustDomainAliases: ['old.example'],
  accessLogEncoding: 'JSON',
  tracing: { otlpEndpoint: 'http://collector.example:4318', sampling: 0.5 },
}

/** One of each kind with everything that it can say. */
export const wholeTrafficResources: readonly TrafficResource[] = [
  virtualServiceResource('cart', wholeVirtualService),
  destinationRuleResource('cart', wholeDestinationRule),
  { ...place, resource: 'Sidecar', name: 'default', spec: wholeSidecar },
  { ...place, resource: 'MeshSettings', namespace: 'weft-system', name: 'mesh', spec: wholeMeshSettings },
]
