import type { Policy, TargetRef } from '../model/policy.ts'
import { policyApplies } from '../policy/authorization/applies.ts'
import type { AnalyzedWorkload } from './finding.ts'

type Scope = Parameters<typeof policyApplies>[0]

/** Workloads by what policies choose them by. */
export interface PolicyTargets {
  /** The workloads that a policy holds for; what it does not look at costs nothing. */
  of(policy: Pick<Policy<Scope['spec']>, 'namespace' | 'spec'>): readonly AnalyzedWorkload[]
  /** The workloads of a service, `<namespace>/<name>`, of whatever namespace they are. */
  serving(service: string): readonly AnalyzedWorkload[]
}

export function createPolicyTargets(workloads: readonly AnalyzedWorkload[], rootNamespace: string): PolicyTargets {
  const byNamespace = Map.groupBy(workloads, ({ namespace }) => namespace)
  const byLabel = new Map<string, AnalyzedWorkload[]>()
  const byService = new Map<string, AnalyzedWorkload[]>()
  for (const workload of workloads) {
    for (const label of Object.entries(workload.labels)) push(byLabel, JSON.stringify(label), workload)
    for (const service of workload.services) push(byService, service, workload)
  }
  const candidates = ({ namespace, spec }: Scope): readonly AnalyzedWorkload[] => {
    const refs = refsOf(spec)
    if (refs.length > 0) return [...new Set(refs.flatMap(({ name }) => byService.get(`${namespace}/${name}`) ?? []))]
    const [label] = Object.entries(spec.selector?.matchLabels ?? {})
    if (label !== undefined) return byLabel.get(JSON.stringify(label)) ?? []
    return namespace === rootNamespace ? workloads : (byNamespace.get(namespace) ?? [])
  }
  return {
    of: policy => candidates(policy).filter(workload => policyApplies(policy, workload, rootNamespace)),
    serving: service => byService.get(service) ?? [],
  }
}

/** All services that a policy names, however it names them. */
export function refsOf({ targetRef, targetRefs = [] }: Scope['spec']): readonly TargetRef[] {
  return targetRef === undefined ? targetRefs : [targetRef, ...targetRefs]
}

function push<T>(map: Map<string, T[]>, key: string, item: T): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [item])
  else list.push(item)
}
