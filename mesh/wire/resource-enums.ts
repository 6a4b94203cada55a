import type { MtlsMode } from '../model/agent-config.ts'
import type { PolicyKind } from '../model/policy-resource.ts'
import type { Protocol, Resolution } from '../model/service.ts'
import type { TrafficKind } from '../model/traffic-resource.ts'
import type { Health } from '../model/workload.ts'

/** Our words and the protobuf enum names they travel as. `UNSPECIFIED` has no word: it is a field nobody set. */
export const protocolNames: Readonly<Record<Protocol, string>> = {
  auto: 'PROTOCOL_AUTO',
  tcp: 'PROTOCOL_TCP',
  tls: 'PROTOCOL_TLS',
  http: 'PROTOCOL_HTTP',
  http2: 'PROTOCOL_HTTP2',
  grpc: 'PROTOCOL_GRPC',
}

/** See {@link protocolNames}. */
export const mtlsModeNames: Readonly<Record<MtlsMode, string>> = {
  DISABLE: 'MTLS_MODE_DISABLE',
  PERMISSIVE: 'MTLS_MODE_PERMISSIVE',
  STRICT: 'MTLS_MODE_STRICT',
}

/** See {@link protocolNames}. */
export const healthNames: Readonly<Record<Health, string>> = {
  healthy: 'HEALTH_HEALTHY',
  unhealthy: 'HEALTH_UNHEALTHY',
  draining: 'HEALTH_DRAINING',
}

/** See {@link protocolNames}. */
export const httpSchemeNames: Readonly<Record<'http' | 'https', string>> = {
  http: 'HTTP_SCHEME_HTTP',
  https: 'HTTP_SCHEME_HTTPS',
}

/** See {@link protocolNames}. */
export const trafficKindNames: Readonly<Record<TrafficKind, string>> = {
  VirtualService: 'TRAFFIC_KIND_VIRTUAL_SERVICE',
  DestinationRule: 'TRAFFIC_KIND_DESTINATION_RULE',
  Sidecar: 'TRAFFIC_KIND_SIDECAR',
  MeshSettings: 'TRAFFIC_KIND_MESH_SETTINGS',
}

/** See {@link protocolNames}. */
export const policyKindNames: Readonly<Record<PolicyKind, string>> = {
  AuthorizationPolicy: 'POLICY_KIND_AUTHORIZATION_POLICY',
  RequestAuthentication: 'POLICY_KIND_REQUEST_AUTHENTICATION',
}

/** See {@link protocolNames}. */
export const resolutionNames: Readonly<Record<Resolution, string>> = {
  static: 'RESOLUTION_STATIC',
  none: 'RESOLUTION_NONE',
  dns: 'RESOLUTION_DNS',
  'dns-round-robin': 'RESOLUTION_DNS_ROUND_ROBIN',
  'dynamic-dns': 'RESOLUTION_DYNAMIC_DNS',
}

/** The way back: protobuf enum names to our words. */
export function wordsByName<Word extends string>(names: Readonly<Record<Word, string>>): ReadonlyMap<string, Word> {
  return new Map(Object.entries<string>(names).map(([word, name]) => [name, word as Word]))
}
