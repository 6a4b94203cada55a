import { parse } from 'yaml'
import type {
  Config,
  DestinationRuleSpec,
  MeshSettingsSpec,
  SidecarSpec,
  VirtualServiceSpec,
} from '../../mesh/model/traffic.ts'
import { parseResources } from '../../mesh/resources/parse.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import { serviceFromEntry } from '../../mesh/resources/service-to-model.ts'
import { createRouting } from '../../mesh/routing/routing.ts'
import type { RoutableService, RoutingWorld } from '../../mesh/routing/world.ts'
import type { RouteCase } from './istio-routes.ts'
import type { CaseRouting } from './istio-routes-evaluator.ts'

/** Why our own check refuses resources; empty when it takes them. */
export function refusalsOf(resources: readonly string[]): readonly string[] {
  return resources.flatMap(text => parseResources(text, 'case.yaml').problems.map(({ message }) => message))
}

/** How requests of a set's clients are routed. Cases of a set share their resources: make it once for all of them. */
export function routingOfSet(kase: RouteCase): (client: RouteCase['client']) => CaseRouting {
  const world = worldOf(kase)
  const routing = createRouting(world)
  return client => ({
    pathNormalization: world.traffic.mesh.pathNormalization?.normalization ?? 'DEFAULT',
    virtualHost: (authority, port) => routing.httpPort(client, port).find(authority),
    exists: destination => routing.cluster(client, destination).exists,
  })
}

/** The world of a recorded case, made of its documents as operators write them. */
export function worldOf(kase: RouteCase): RoutingWorld {
  const resources = kase.resources.flatMap(text => parseResources(text, 'case.yaml').resources)
  const mesh: MeshSettingsSpec = kase.mesh === null ? {} : parse(kase.mesh)
  const virtualServices: Config<VirtualServiceSpec>[] = []
  const destinationRules: Config<DestinationRuleSpec>[] = []
  const sidecars: Config<SidecarSpec>[] = []
  const entries: RoutableService[] = []
  for (const [index, resource] of resources.entries()) {
    // documents of a set are listed oldest first
    const { namespace, name } = resource.metadata
    const metadata = { namespace, name, createdAt: index * 1000 }
    switch (resource.kind) {
      case 'VirtualService':
        virtualServices.push({ ...metadata, spec: resource.spec })
        break
      case 'DestinationRule':
        destinationRules.push({ ...metadata, spec: resource.spec })
        break
      case 'Sidecar':
        sidecars.push({ ...metadata, spec: resource.spec })
        break
      case 'ServiceEntry':
        entries.push(serviceFromEntry('case', resource, []).service)
        break
      default:
        throw new Error(`no case has a ${(resource satisfies Resource).kind}`)
    }
  }
  return {
    services: [...kase.services.map(registered), ...entries],
    domain: 'svc.cluster.local',
    traffic: { rootNamespace: 'istio-system', virtualServices, destinationRules, sidecars, mesh },
  }
}

function registered({ host, ports, address }: RouteCase['services'][number]): RoutableService {
  const [name = '', namespace = ''] = host.split('.')
  return {
    ...{ namespace, name, hosts: [host], addresses: [address] },
    ports: ports.map(port => ({ name: `http-${port}`, port, protocol: 'http' })),
  }
}
