import type { HostResource, LocalWorkloadResource, TrustResource } from '../../mesh/model/agent-config.ts'

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
