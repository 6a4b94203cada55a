import type { TrafficResource } from '../../mesh/model/traffic-resource.ts'
import { delegateName, isDelegate } from '../../mesh/routing/delegates.ts'
import { exportSet } from '../../mesh/routing/visibility.ts'

/** One VirtualService that delegates to another: who it is for decides who needs the other. */
export interface Delegator {
  readonly namespace: string
  readonly exports: ReadonlySet<string>
}

/** Who delegates, by `<namespace>/<name>` of whom to. */
export type Delegations = ReadonlyMap<string, readonly Delegator[]>

/** Reads the references of all VirtualServices, whether what they name is there or not. */
export function delegationsOf(traffic: Iterable<TrafficResource>): Delegations {
  const all = new Map<string, Delegator[]>()
  for (const one of traffic) {
    if (one.resource !== 'VirtualService' || isDelegate(one.spec)) continue
    const { namespace } = one
    const delegator = { namespace, exports: exportSet(one.spec.exportTo, namespace) }
    const references = (one.spec.http ?? []).flatMap(({ delegate }) => delegate ?? [])
    for (const name of new Set(references.map(delegate => delegateName(delegate, namespace)))) {
      const known = all.get(name)
      if (known === undefined) all.set(name, [delegator])
      else known.push(delegator)
    }
  }
  return all
}
