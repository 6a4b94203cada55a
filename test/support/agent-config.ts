import type {
  AgentConfig,
  LocalWorkloadResource,
  MeshEndpoint,
  MeshServiceResource,
} from '../../mesh/model/agent-config.ts'
import { unknownLocality } from '../../mesh/model/locality.ts'
import { policyConfigOf } from '../../mesh/model/policy-resource.ts'
import { trafficConfigOf } from '../../mesh/model/traffic-resource.ts'

/** Builders of agent configs for tests: everything has a sensible value, tests say what matters to them. */

export function anEndpoint(values: Partial<MeshEndpoint> = {}): MeshEndpoint {
  return {
    id: 'static/api-1',
    address: '10.77.0.2',
    ports: { http: 8080 },
    identity: 'spiffe://mesh.local/ns/default/sa/api',
    workload: 'api-1',
    namespace: 'default',
    labels: { app: 'api', version: 'v1' },
    locality: unknownLocality,
    weight: 1,
    health: 'healthy',
    ...values,
  }
}

/** An endpoint outside the mesh. */
export function aPlainEndpoint(values: Partial<MeshEndpoint> = {}): MeshEndpoint {
  const { identity: _, ...rest } = anEndpoint(values)
  return rest
}

/** The port of {@link aService} where it is opaque bytes. */
export const opaquePorts = [{ name: 'http', port: 80, protocol: 'tcp' }] as const

export function aService(values: Partial<MeshServiceResource> = {}): MeshServiceResource {
  return {
    kind: 'service',
    namespace: 'default',
    name: 'api',
    hosts: ['api.default.mesh'],
    virtualIps: ['240.240.0.1', 'fd77:6566:7400::1'],
    addresses: [],
    external: false,
    ports: [{ name: 'http', port: 80, protocol: 'http' }],
    endpoints: [anEndpoint()],
    ...values,
  }
}

export function aWorkload(values: Partial<LocalWorkloadResource> = {}): LocalWorkloadResource {
  return {
    kind: 'workload',
    id: 'static/web-1',
    namespace: 'default',
    name: 'web-1',
    address: '10.77.0.1',
    identity: 'spiffe://mesh.local/ns/default/sa/web',
    labels: { app: 'web' },
    ports: [{ port: 9090, protocol: 'tcp', mtls: 'PERMISSIVE', mtlsFrom: 'default', service: 'default/web' }],
    callers: [],
    probes: [],
    ...values,
  }
}

export function aConfig(values: Partial<AgentConfig> = {}): AgentConfig {
  return {
    host: {
      kind: 'host',
      node: 'h1',
      trustDomain: 'mesh.local',
      rootNamespace: 'weft-system',
      dnsDomain: 'mesh',
      virtualIpRanges: ['240.240.0.0/16', 'fd77:6566:7400::/64'],
      locality: unknownLocality,
    },
    trust: { kind: 'trust', trustDomain: 'mesh.local', sequence: 1, roots: [] },
    workloads: [],
    services: [],
    traffic: trafficConfigOf('weft-system', []),
    policies: policyConfigOf(
      { rootNamespace: 'weft-system', trustDomain: 'mesh.local', trustDomainAliases: [] },
      [],
      [],
    ),
    ...values,
  }
}
