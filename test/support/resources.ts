import type {
  HostResource,
  LocalWorkloadResource,
  MeshEndpoint,
  MeshServiceResource,
  TrustResource,
} from '../../mesh/model/agent-config.ts'
import { resourceName } from '../../mesh/model/agent-config.ts'
import { probeDefaults } from '../../mesh/model/probe.ts'
import { encodeResource } from '../../mesh/wire/agent-config-codec.ts'
import type { AgentView } from '../../mesh/wire/delta.ts'

/** Small but complete resources of each kind, for tests that send them around. */
export const hostResource: HostResource = {
  kind: 'host',
  node: 'vm-17',
  trustDomain: 'mesh.test',
  rootNamespace: 'weft-system',
  dnsDomain: 'mesh',
  defaultIdentity: 'spiffe://mesh.test/ns/default/sa/host',
  virtualIpRanges: ['240.240.0.0/16', 'fd77:6566::/64'],
  locality: { region: 'eu', zone: 'eu-1', subzone: 'rack-4' },
}

/** Trusts nothing; give it roots where they matter. */
export function trustResource(roots: readonly string[] = [], sequence = 1): TrustResource {
  return { kind: 'trust', trustDomain: 'mesh.test', sequence, roots }
}

export const workloadResource: LocalWorkloadResource = {
  kind: 'workload',
  id: 'static/api-1',
  namespace: 'shop',
  name: 'api-1',
  address: '10.0.0.7',
  identity: 'spiffe://mesh.test/ns/shop/sa/api',
  labels: { app: 'api', version: 'v2', '10': 'ten', __proto__x: 'odd' },
  ports: [{ port: 8080, protocol: 'http', mtls: 'STRICT', mtlsFrom: 'shop/strict', service: 'shop/api' }],
  callers: [
    { kind: 'uid', uid: 0 },
    { kind: 'user', user: 'api' },
    { kind: 'cgroup', path: 'system.slice/api.service' },
  ],
  probes: [{ ...probeDefaults, check: { kind: 'tcp', port: 8080 } }],
}

export const endpoint: MeshEndpoint = {
  id: 'static/api-1',
  address: '10.0.0.7',
  ports: { http: 8080, admin: 9090 },
  identity: 'spiffe://mesh.test/ns/shop/sa/api',
  workload: 'api-1',
  namespace: 'shop',
  labels: { app: 'api' },
  locality: { region: 'eu', zone: '', subzone: '' },
  weight: 1.5,
  health: 'draining',
}

/** A service called `shop/<name>` that callers reach at `port`. */
export function serviceResource(name: string, port = 80): MeshServiceResource {
  return {
    kind: 'service',
    namespace: 'shop',
    name,
    hosts: [`${name}.shop.mesh`],
    virtualIps: ['240.240.0.9', 'fd77:6566::9'],
    addresses: [],
    external: false,
    ports: [
      { name: 'http', port, protocol: 'http2' },
      { name: 'admin', port: 9090, protocol: 'tcp' },
    ],
    endpoints: [endpoint, { ...endpoint, id: 'static/api-2', weight: 0, health: 'healthy' }],
  }
}

/** A view that holds host, trust and these services. */
export function viewOf(version: number, ...services: readonly MeshServiceResource[]): AgentView {
  const resources = [hostResource, trustResource(), ...services]
  return { version, resources: new Map(resources.map(one => [resourceName(one), encodeResource(one)])) }
}
