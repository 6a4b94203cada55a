import { isDryRun } from '../resources/annotations.ts'
import type { PeerAuthentication } from '../resources/peer-authentication.ts'
import { describeResource, type Resource } from '../resources/resource.ts'
import {
  byAge,
  hasSelector,
  type PolicyOptions,
  type PolicyTarget,
  policyName,
  selects,
} from './peer-authentication.ts'

/** A policy that would not do what it says because of where it stands, for an error when it is written. */
export interface PolicyConflict {
  /** `<namespace>/<name>` of the policy that would be ignored, fully or for the named workload. */
  readonly policy: string
  /** The one that wins; absent when the policy has no effect whatever else there is. */
  readonly winner?: string
  /** Lower case, no full stop, names both. */
  readonly message: string
}

/** A workload that is known, to see which policies really meet. */
export interface KnownWorkload extends PolicyTarget {
  readonly name: string
}

/**
 * Finds policies of which another one of the same scope would silently win: two for the mesh, two for a namespace, two
 * with the same selector, or, given the workloads, two that select the same one. Also those with a selector in the
 * root namespace, which have no effect. Resources of other kinds are skipped.
 */
export function findConflicts(
  resources: readonly Resource[],
  options: PolicyOptions,
  workloads: readonly KnownWorkload[] = [],
): readonly PolicyConflict[] {
  const policies = resources.filter(resource => resource.kind === 'PeerAuthentication').toSorted(byAge)
  const conflicts: PolicyConflict[] = []
  const holders = new Map<string, PeerAuthentication>()
  for (const policy of policies) {
    if (hasSelector(policy) && policy.metadata.namespace === options.rootNamespace) {
      conflicts.push(withoutEffect(policy))
      continue
    }
    // one that is tried stands in for one that is in force, it does not contradict it
    const scope = JSON.stringify([isDryRun(policy.metadata), policy.metadata.namespace, sortedSelector(policy)])
    const holder = holders.get(scope)
    if (holder === undefined) holders.set(scope, policy)
    else conflicts.push(conflict(policy, holder, scopeInWords(policy, options)))
  }
  const choosing = [...holders.values()].filter(hasSelector)
  const [tried, inForce] = [true, false].map(isTried => {
    return choosing.filter(({ metadata }) => isDryRun(metadata) === isTried)
  })
  return [...conflicts, ...overlaps(inForce ?? [], workloads), ...overlaps(tried ?? [], workloads)]
}

function overlaps(policies: readonly PeerAuthentication[], workloads: readonly KnownWorkload[]): PolicyConflict[] {
  const found = new Map<string, PolicyConflict>()
  for (const workload of workloads) {
    const inNamespace = policies.filter(policy => policy.metadata.namespace === workload.namespace)
    const [winner, ...losers] = inNamespace.filter(policy => selects(policy, workload.labels))
    if (winner === undefined) continue
    for (const loser of losers) {
      const pair = `${policyName(loser)} ${policyName(winner)}`
      if (!found.has(pair)) found.set(pair, conflict(loser, winner, `workload ${workload.namespace}/${workload.name}`))
    }
  }
  return [...found.values()]
}

function conflict(loser: PeerAuthentication, winner: PeerAuthentication, scope: string): PolicyConflict {
  const message = `${describeResource(loser)} and ${describeResource(winner)} are both for ${scope}, only one may be`
  return { policy: policyName(loser), winner: policyName(winner), message }
}

function withoutEffect(policy: PeerAuthentication): PolicyConflict {
  const message = `${describeResource(policy)} has a selector in the root namespace, where it selects nothing`
  return { policy: policyName(policy), message }
}

function scopeInWords(policy: PeerAuthentication, options: PolicyOptions): string {
  const { namespace } = policy.metadata
  if (hasSelector(policy)) {
    const selector = sortedSelector(policy).map(([key, value]) => `${key}=${value}`)
    return `workloads ${selector.join(',')} of namespace ${namespace}`
  }
  return namespace === options.rootNamespace ? 'the whole mesh' : `namespace ${namespace}`
}

function sortedSelector(policy: PeerAuthentication): [string, string][] {
  return Object.entries(policy.spec.selector?.matchLabels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
}
