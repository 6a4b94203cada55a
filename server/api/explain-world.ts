import type { CatalogueService } from '../../mesh/model/catalogue.ts'
import { trafficConfigOf } from '../../mesh/model/traffic-resource.ts'
import { routableService } from '../../mesh/routing/routable-service.ts'
import type { RoutableService, RoutingClient, RoutingWorld } from '../../mesh/routing/world.ts'
import { createTrafficCompiler } from '../compile/traffic.ts'
import { isVisible } from '../compile/visibility.ts'
import type { ExplainInput } from './explain-parties.ts'

/** What the agent of a caller routes by. */
export function worldOf(input: ExplainInput, client: RoutingClient): RoutingWorld {
  const { catalogue, resources, dnsDomain, rootNamespace } = input
  const namespaces = new Set([client.namespace])
  const visible = catalogue.services.values().filter(({ exportTo }) => isVisible(exportTo, namespaces))
  return {
    services: [...visible.map(service => routableOf(service, dnsDomain))],
    traffic: trafficConfigOf(rootNamespace, [...createTrafficCompiler()(resources).values()]),
    domain: dnsDomain,
  }
}

/** A service as routing knows it. */
export function routableOf(service: CatalogueService, dnsDomain: string): RoutableService {
  const own = `${service.name}.${service.namespace}.${dnsDomain}`
  return routableService({ ...service, hosts: [own, ...service.hosts] })
}
