import type { LocalWorkloadResource } from '../../mesh/model/agent-config.ts'
import type { CallerFacts } from '../intercept/callers.ts'
import type { PeerProcess } from '../intercept/peer-credentials.ts'

/** What is looked up on the host. */
export type EntitlementFacts = Pick<CallerFacts, 'uidOf' | 'uidsOf'>

/**
 * The identities of a process, in order: those of the workloads whose selectors are the narrowest that hold for it. A
 * cgroup comes before a user, and an inner cgroup before an outer one, as the data plane has it; workloads with the very
 * same selector are all meant. A user says nothing while processes of another workload's cgroup run as that user.
 */
export async function identitiesOf(
  { uid, cgroup }: PeerProcess,
  workloads: readonly LocalWorkloadResource[],
  facts: EntitlementFacts,
): Promise<readonly string[]> {
  let depth = 0
  const byCgroup = new Map<string, number>()
  const byUser = new Set<string>()
  const cgroups = new Map<string, Set<string>>()
  for (const { identity, callers } of workloads) {
    if (identity === undefined) continue
    for (const selector of callers) {
      if (selector.kind === 'cgroup') {
        const path = selector.path.replace(/^\/+|\/+$/g, '')
        if (path === '') continue
        cgroups.set(path, (cgroups.get(path) ?? new Set()).add(identity))
        if (cgroup !== path && !cgroup.startsWith(`${path}/`)) continue
        byCgroup.set(identity, Math.max(path.length, byCgroup.get(identity) ?? 0))
        depth = Math.max(depth, path.length)
      } else if (uid === (selector.kind === 'uid' ? selector.uid : await facts.uidOf(selector.user))) {
        byUser.add(identity)
      }
    }
  }
  if (depth > 0) return [...byCgroup].flatMap(([identity, length]) => (length === depth ? [identity] : [])).sort()
  const isForeign = (path: string, identity: string) =>
    cgroups.get(path)?.has(identity) === false && facts.uidsOf(path).has(uid)
  return [...byUser].filter(identity => ![...cgroups.keys()].some(path => isForeign(path, identity))).sort()
}
