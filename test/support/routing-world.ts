import { parse } from 'yaml'
import type { ServicePort } from '../../mesh/model/service.ts'
import type { MeshSettingsSpec } from '../../mesh/model/traffic.ts'
import type { RoutableService, RoutingWorld } from '../../mesh/routing/world.ts'
import { recordedWorld } from './istio-world.ts'

/** A service `<name>.<namespace>.mesh` with one port, 80 and HTTP unless said otherwise. */
export function routable(fullName: string, options: Partial<RoutableService> = {}): RoutableService {
  const [name = '', namespace = ''] = fullName.split('.')
  const ports: readonly ServicePort[] = [{ name: 'http', port: 80, protocol: 'http' }]
  return { namespace, name, hosts: [fullName], addresses: [], ports, ...options }
}

/** A world of services and of resources, each `<kind> <namespace>/<name> <spec as YAML>`, the first the oldest. */
export function routingWorld(
  services: readonly RoutableService[],
  resources: readonly string[] = [],
  mesh: MeshSettingsSpec = {},
): RoutingWorld {
  const configs = resources.map((text, index) => {
    const [, kind, namespace, name, spec = ''] = /^(\w+) ([^/]+)\/(\S+) (.*)$/s.exec(text) ?? []
    const created = new Date(Date.UTC(2026, 0, 1, 0, 0, index)).toISOString()
    return JSON.stringify({ kind, metadata: { namespace, name, creationTimestamp: created }, spec: parse(spec) })
  })
  const client = { namespace: '', labels: {} }
  const world = recordedWorld({ services: [], configs, client, rootNamespace: 'weft-system' })
  return { services, domain: 'mesh', traffic: { ...world.traffic, mesh } }
}
