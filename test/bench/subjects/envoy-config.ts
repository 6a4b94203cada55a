import { identities } from '../certificates.ts'
import type { Address, BenchSetup } from '../types.ts'
import { inboundPort, outboundListener } from './pair.ts'

/** Envoy's configurations, as text: tcp_proxy and HBONE, with the peers' SPIFFE ids checked and statistics off. */

/** Its TLS library has no setting for the suites of TLS 1.3; on machines with AES instructions it takes AES-128-GCM. */
const tlsOnly13 = '{ tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 }'
export const type = 'type.googleapis.com/envoy'
const http2 =
  'max_concurrent_streams: 2147483647, initial_stream_window_size: 4194304, initial_connection_window_size: 16777216'

export function tcpOutbound({ backend, certificates }: BenchSetup): string {
  const to = { address: backend.address, port: inboundPort }
  return bootstrap(9901, outboundListener, tcpProxy(''), '', to, '', upstreamTls(certificates))
}

export function tcpInbound({ backend, certificates }: BenchSetup): string {
  const from = { address: backend.address, port: inboundPort }
  return bootstrap(9902, from, tcpProxy(''), downstreamTls(certificates, ''), backend, '', '')
}

export function hboneOutbound({ backend, certificates }: BenchSetup): string {
  const to = { address: backend.address, port: inboundPort }
  const tunnel = `, tunneling_config: { hostname: "${backend.address}:${backend.port}" }`
  const protocol = `typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": ${type}.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: { ${http2} } } } }`
  return bootstrap(9901, outboundListener, tcpProxy(tunnel), '', to, protocol, upstreamTls(certificates))
}

export function hboneInbound({ backend, certificates }: BenchSetup): string {
  const from = { address: backend.address, port: inboundPort }
  const filter = `{ name: envoy.filters.network.http_connection_manager, typed_config: {
          "@type": ${type}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
          stat_prefix: c, codec_type: HTTP2, generate_request_id: false,
          http2_protocol_options: { allow_connect: true, ${http2} },
          upgrade_configs: [ { upgrade_type: CONNECT } ],
          http_filters: [ { name: envoy.filters.http.router, typed_config: { "@type": ${type}.extensions.filters.http.router.v3.Router } } ],
          route_config: { virtual_hosts: [ { name: v, domains: ["*"], routes: [ { match: { connect_matcher: {} },
            route: { cluster: up, timeout: 0s, upgrade_configs: [ { upgrade_type: CONNECT, connect_config: {} } ] } } ] } ] } } }`
  return bootstrap(9902, from, filter, downstreamTls(certificates, 'alpn_protocols: [h2],'), backend, '', '')
}

export function bootstrap(
  adminPort: number,
  listen: Address,
  filter: string,
  listenTls: string,
  upstream: Address,
  protocol: string,
  upstreamTls: string,
  more: { readonly stats?: string; readonly listener?: string; readonly cluster?: string } = {},
): string {
  const { stats = '{ stats_matcher: { reject_all: true } }', listener = '', cluster = '' } = more
  return `admin: { address: ${socket({ address: '127.0.0.1', port: adminPort })} }
stats_config: ${stats}
static_resources:
  listeners:
  - name: l
    address: ${socket(listen)}
    ${listener}
    filter_chains:
    - filters:
      - ${filter}
      ${listenTls}
  clusters:
  - name: up
    connect_timeout: 5s
    type: STATIC
    ${cluster}
    load_assignment: { cluster_name: up, endpoints: [ { lb_endpoints: [ { endpoint: { address: ${socket(upstream)} } } ] } ] }
    ${protocol}
    ${upstreamTls}
`
}

function socket({ address, port }: Address): string {
  return `{ socket_address: { address: ${address}, port_value: ${port} } }`
}

function tcpProxy(more: string): string {
  return `{ name: envoy.filters.network.tcp_proxy, typed_config: { "@type": ${type}.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, cluster: up${more} } }`
}

/** `max_session_keys: 0`: no resumption, so that each connection proves both identities. */
export function upstreamTls(certificates: string): string {
  return `transport_socket: { name: envoy.transport_sockets.tls, typed_config: {
      "@type": ${type}.extensions.transport_sockets.tls.v3.UpstreamTlsContext, max_session_keys: 0,
      common_tls_context: { ${common(certificates, 'a', `exact: "${identities.b}"`)} } } }`
}

export function downstreamTls(certificates: string, more: string): string {
  return `transport_socket: { name: envoy.transport_sockets.tls, typed_config: {
        "@type": ${type}.extensions.transport_sockets.tls.v3.DownstreamTlsContext, require_client_certificate: true,
        common_tls_context: { ${more} ${common(certificates, 'b', `exact: "${identities.a}"`)} } } }`
}

function common(certificates: string, name: string, peer: string): string {
  return `tls_params: ${tlsOnly13},
        tls_certificates: [ { certificate_chain: { filename: ${certificates}/${name}.pem }, private_key: { filename: ${certificates}/${name}.key } } ],
        validation_context: { trusted_ca: { filename: ${certificates}/ca.pem }, match_typed_subject_alt_names: [ { san_type: URI, matcher: { ${peer} } } ] }`
}
