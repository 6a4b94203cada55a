import { delegatedRules, delegateName, type FoundDelegate, findDelegate } from '../../mesh/routing/delegates.ts'
import { fullHost, isSubsetOf } from '../../mesh/routing/hosts.ts'
import { exportSet, isExportedTo } from '../../mesh/routing/visibility.ts'
import type { RoutingWorld } from '../../mesh/routing/world.ts'

/** What is in the way of a delegate. */
const obstacles: Readonly<Record<Exclude<FoundDelegate['kind'], 'found'>, string>> = {
  unknown: 'is no VirtualService that is known',
  'has-hosts': 'has hosts, so that nothing can be delegated to it',
  'not-exported': 'is not exported to the namespace that delegates to it',
}

/**
 * Rules about a host (a full name) that a caller of the namespace does not have because of delegation: those whose delegate
 * cannot be used, and those of delegates that contradict the rule they stand in for. Each with the reason.
 */
export function lostDelegations(world: RoutingWorld, host: string, namespace: string): readonly string[] {
  const { traffic, domain } = world
  const all = new Map(traffic.virtualServices.map(one => [`${one.namespace}/${one.name}`, one] as const))
  return traffic.virtualServices.flatMap(root => {
    const { hosts = [], http = [], exportTo } = root.spec
    if (!isExportedTo(exportSet(exportTo, root.namespace), namespace)) return []
    if (!hosts.some(one => isSubsetOf(host, fullHost(one.toLowerCase(), root.namespace, domain)))) return []
    return http.flatMap((rule, index) => {
      if (rule.delegate === undefined) return []
      const place = `VirtualService ${root.namespace}/${root.name} http[${index}] delegate`
      const name = delegateName(rule.delegate, root.namespace)
      const found = findDelegate(name, root.namespace, all)
      if (found.kind !== 'found') return [`${place}: ${name} ${obstacles[found.kind]}`]
      return delegatedRules(rule, root.namespace, found.config, domain).flatMap((one, at) =>
        one.kind === 'conflict' ? [`${place} ${name} http[${at}]: in match[${one.match}] ${one.why}`] : [],
      )
    })
  })
}
