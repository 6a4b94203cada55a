import { identities } from '../certificates.ts'
import type { BenchSetup } from '../types.ts'
import { bootstrap, downstreamTls, type, upstreamTls } from './envoy-config.ts'
import { inboundPort, outboundListener } from './pair.ts'

/**
 * Envoy's configurations as an HTTP proxy, as text: without anything else, and with what Istio gives a sidecar: the
 * caller's identity checked by RBAC, CORS and fault filters, Istio's access log, all statistics, request ids, path
 * normalisation, the certificate header, a timeout, retries, outlier detection and circuit breakers.
 */

const extensions = `${type}.extensions`
const followsCaller = `typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": ${extensions}.upstreams.http.v3.HttpProtocolOptions, use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: { max_concurrent_streams: 1073741824 } } } }`
const router = `{ name: envoy.filters.http.router, typed_config: { "@type": ${extensions}.filters.http.router.v3.Router } }`
const bothProtocols = 'alpn_protocols: [h2, http/1.1],'

export function httpOutbound({ backend, certificates }: BenchSetup): string {
  const to = { address: backend.address, port: inboundPort }
  return bootstrap(9901, outboundListener, minimal, '', to, followsCaller, upstreamTls(certificates))
}

export function httpInbound({ backend, certificates }: BenchSetup): string {
  const from = { address: backend.address, port: inboundPort }
  return bootstrap(9902, from, minimal, downstreamTls(certificates, bothProtocols), backend, followsCaller, '')
}

export function istioOutbound({ backend, certificates, directory }: BenchSetup): string {
  const to = { address: backend.address, port: inboundPort }
  // the caller is on this host and in plaintext: its address is all there is to check
  const principal = 'direct_remote_ip: { address_prefix: 127.0.0.0, prefix_len: 8 }'
  const filter = istio('out', principal, 'forward_client_cert_details: SANITIZE,', directory)
  return bootstrap(9901, outboundListener, filter, '', to, followsCaller, upstreamTls(certificates), asIstio('out'))
}

export function istioInbound({ backend, certificates, directory }: BenchSetup): string {
  const from = { address: backend.address, port: inboundPort }
  const principal = `authenticated: { principal_name: { exact: "${identities.a}" } }`
  const forward =
    'forward_client_cert_details: APPEND_FORWARD, set_current_client_cert_details: { subject: true, dns: true, uri: true },'
  const filter = istio('in', principal, forward, directory)
  const tls = downstreamTls(certificates, bothProtocols)
  return bootstrap(9902, from, filter, tls, backend, followsCaller, '', asIstio('in'))
}

const minimal = `{ name: envoy.filters.network.http_connection_manager, typed_config: {
          "@type": ${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager,
          stat_prefix: c, codec_type: AUTO, generate_request_id: false,
          http_filters: [ ${router} ],
          route_config: { virtual_hosts: [ { name: v, domains: ["*"], routes: [ { match: { prefix: "/" }, route: { cluster: up, timeout: 0s } } ] } ] } } }`

const logFormat =
  '[%START_TIME%] \\"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \\"%REQ(X-FORWARDED-FOR)%\\" \\"%REQ(USER-AGENT)%\\" \\"%REQ(X-REQUEST-ID)%\\" \\"%REQ(:AUTHORITY)%\\" \\"%UPSTREAM_HOST%\\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\\n'

function istio(side: 'in' | 'out', principal: string, forward: string, directory: string): string {
  const permission = '{ header: { name: ":method", string_match: { exact: GET } } }'
  const retry = `{ retry_on: "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", num_retries: 2, host_selection_retry_max_attempts: 5, retriable_status_codes: [503],
              retry_host_predicate: [ { name: envoy.retry_host_predicates.previous_hosts, typed_config: { "@type": ${extensions}.retry.host.previous_hosts.v3.PreviousHostsPredicate } } ] }`
  const route = `{ name: default, match: { prefix: "/" }, decorator: { operation: "backend.default.svc.cluster.local:9000/*" },
              route: { cluster: up, timeout: 15s, max_stream_duration: { max_stream_duration: 15s, grpc_timeout_header_max: 15s }, retry_policy: ${retry} } }`
  return `{ name: envoy.filters.network.http_connection_manager, typed_config: {
          "@type": ${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager,
          stat_prefix: "${side}bound_0.0.0.0_9000", codec_type: AUTO, server_name: istio-envoy, use_remote_address: false,
          generate_request_id: true, normalize_path: true, path_with_escaped_slashes_action: KEEP_UNCHANGED, stream_idle_timeout: 0s,
          ${forward}
          request_id_extension: { typed_config: { "@type": ${extensions}.request_id.uuid.v3.UuidRequestIdConfig, use_request_id_for_trace_sampling: true } },
          access_log: [ { name: envoy.access_loggers.file, typed_config: { "@type": ${extensions}.access_loggers.file.v3.FileAccessLog,
            path: "${directory}/access-${side}.log", log_format: { text_format_source: { inline_string: "${logFormat}" } } } } ],
          http_filters: [
            { name: envoy.filters.http.rbac, typed_config: { "@type": ${extensions}.filters.http.rbac.v3.RBAC, rules: { action: ALLOW, policies: {
              "ns[default]-policy[allow-a]-rule[0]": {
                permissions: [ { and_rules: { rules: [ { or_rules: { rules: [ ${permission} ] } } ] } } ],
                principals: [ { and_ids: { ids: [ { or_ids: { ids: [ { ${principal} } ] } } ] } } ] } } } } },
            { name: envoy.filters.http.cors, typed_config: { "@type": ${extensions}.filters.http.cors.v3.Cors } },
            { name: envoy.filters.http.fault, typed_config: { "@type": ${extensions}.filters.http.fault.v3.HTTPFault } },
            ${router} ],
          route_config: { name: "9000", virtual_hosts: [ { name: "backend.default.svc.cluster.local:9000", domains: ["*"], routes: [ ${route} ] } ] } } }`
}

function asIstio(side: 'in' | 'out'): { readonly stats: string; readonly listener: string; readonly cluster: string } {
  const inspector = (name: string, message: string) =>
    `{ name: envoy.filters.listener.${name}, typed_config: { "@type": ${extensions}.filters.listener.${name}.v3.${message} } }`
  const http = inspector('http_inspector', 'HttpInspector')
  const filters = side === 'in' ? `${inspector('tls_inspector', 'TlsInspector')}, ${http}` : http
  const most = 4294967295
  const limits = ['max_connections', 'max_pending_requests', 'max_requests', 'max_retries']
  return {
    stats: '{ use_all_default_tags: true }',
    listener: `traffic_direction: ${side === 'in' ? 'INBOUND' : 'OUTBOUND'}
    listener_filters: [ ${filters} ]`,
    cluster: `alt_stat_name: "${side}bound|9000||backend.default.svc.cluster.local"
    lb_policy: LEAST_REQUEST
    outlier_detection: { consecutive_5xx: 5, interval: 10s, base_ejection_time: 30s, max_ejection_percent: 10 }
    circuit_breakers: { thresholds: [ { ${limits.map(name => `${name}: ${most}`).join(', ')}, track_remaining: true } ] }`,
  }
}
