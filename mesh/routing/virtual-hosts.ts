import { compileHttpRoutes, defaultRoute } from './compile-routes.ts'
import type { CompileContext } from './context.ts'
import { destinationOf, passthroughDestination } from './destination.ts'
import type { EgressListener } from './egress.ts'
import type { Route, VirtualHost } from './route.ts'
import type { KnownHost, KnownVirtualService } from './world-index.ts'

/** Makes the virtual hosts of one port for one client; each VirtualService is compiled at most once. */
export interface VirtualHosts {
  /** Of a service: the rules of the VirtualService that holds for it, else plainly to the service. */
  ofService(known: KnownHost): VirtualHost
  /** Of a host that is no service's, by the VirtualServices that name it; undefined where none has a rule for this client. */
  ofRules(host: string, named: readonly KnownVirtualService[]): VirtualHost | undefined
  /** Where nothing is known of the host. */
  unknown(policy: 'ALLOW_ANY' | 'REGISTRY_ONLY'): VirtualHost
}

export function createVirtualHosts(listener: EgressListener | undefined, context: CompileContext): VirtualHosts {
  const { port } = context
  const compiled = new Map<KnownVirtualService, readonly Route[]>()

  function routesOf(virtualService: KnownVirtualService): readonly Route[] {
    const known = compiled.get(virtualService)
    if (known !== undefined) return known
    const routes = compileHttpRoutes(virtualService.http(), virtualService.config, context)
    compiled.set(virtualService, routes)
    return routes
  }

  /** Those of the first that has any: rules can be for other ports, clients or protocols only. */
  function firstRoutes(named: readonly KnownVirtualService[]): readonly Route[] {
    for (const virtualService of named) {
      const routes = routesOf(virtualService)
      if (routes.length > 0) return routes
    }
    return []
  }

  return {
    ofService({ host, names }) {
      const rules = firstRoutes(listener?.about(names) ?? [])
      const routes = rules.length > 0 ? rules : [defaultRoute(destinationOf(host, port, '', 0), context)]
      return { name: `${host}:${port}`, routes }
    },
    ofRules(host, named) {
      const routes = firstRoutes(named)
      return routes.length > 0 ? { name: `${host}:${port}`, routes } : undefined
    },
    unknown(policy) {
      const name = policy === 'ALLOW_ANY' ? 'allow_any' : 'block_all'
      const plain = defaultRoute(passthroughDestination(port), context)
      const action: Route['action'] =
        plain.action.kind === 'forward' && policy === 'ALLOW_ANY'
          ? // nothing is known of what is behind the address, not even that asking twice does no harm
            { ...plain.action, retry: undefined }
          : { kind: 'direct', status: 502, body: Buffer.alloc(0) }
      return { name, routes: [{ ...plain, name, action }] }
    },
  }
}
