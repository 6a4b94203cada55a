import type { HostResource, LocalWorkloadResource, TrustResource } from '../../mesh/model/agent-config.ts'
import type { TrafficResource } from '../../mesh/model/traffic-resource.ts'
import { isDelegate } from '../../mesh/routing/delegates.ts'
import { exportSet, isExportedTo } from '../../mesh/routing/visibility.ts'
import type { Delegations } from './delegations.ts'

/** Namespaces a host has something of: what is exported to one of them is for its agent. */
export function namespacesOf(
  own: readonly (HostResource | TrustResource | LocalWorkloadResource)[],
): ReadonlySet<string> {
  return new Set(own.flatMap(resource => (resource.kind === 'workload' ? [resource.namespace] : [])))
}

/** Whether a service is for an agent with workloads of these namespaces (Istio's exportTo; absent means everybody). */
export function isVisible(exportTo: readonly string[] | undefined, namespaces: ReadonlySet<string>): boolean {
  return exportTo === undefined || exportTo.some(name => name === '*' || namespaces.has(name))
}

/** What an agent may call, and for whom. */
export interface TrafficScope {
  /** Of the host's workloads. */
  readonly namespaces: ReadonlySet<string>
  /** Of the services that they may call. */
  readonly serviceNamespaces: ReadonlySet<string>
  readonly rootNamespace: string
  readonly delegations: Delegations
}

/**
 * Whether routing on a host can come to look at the resource (Istio's lookup). A DestinationRule does not need to be
 * exported to it: one that is not still hides others of its namespace. A VirtualService without hosts is for whoever gets
 * one that delegates to it; it has to be exported to the namespace of that one.
 */
export function concerns(resource: TrafficResource, scope: TrafficScope): boolean {
  const { namespace } = resource
  const isRoot = namespace === scope.rootNamespace
  switch (resource.resource) {
    case 'VirtualService': {
      const exports = exportSet(resource.spec.exportTo, namespace)
      if (!isDelegate(resource.spec)) return isForNamespaces(exports, scope.namespaces)
      const roots = scope.delegations.get(`${namespace}/${resource.name}`) ?? []
      return roots.some(
        root => isExportedTo(exports, root.namespace) && isForNamespaces(root.exports, scope.namespaces),
      )
    }
    case 'DestinationRule':
      return isRoot || scope.namespaces.has(namespace) || scope.serviceNamespaces.has(namespace)
    case 'Sidecar':
      return isRoot || scope.namespaces.has(namespace)
    case 'MeshSettings':
      return isRoot
  }
}

/** Exported to all or to one of them; what is exported to all is for hosts without workloads too. */
function isForNamespaces(exports: ReadonlySet<string>, namespaces: ReadonlySet<string>): boolean {
  return exports.size === 0 || exports.has('*') || !exports.isDisjointFrom(namespaces)
}
