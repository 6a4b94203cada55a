import type { TargetRef } from '../../mesh/model/policy.ts'
import type { PolicyResource } from '../../mesh/model/policy-resource.ts'
import { policyApplies } from '../../mesh/policy/authorization/applies.ts'
import type { Placement } from './placement.ts'

/** A workload as far as policies choose by it. */
export interface PolicyTarget {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  /** `<namespace>/<name>` of the services it belongs to, on any port. */
  readonly services: readonly string[]
}

/** Policies by what they choose workloads by. */
export interface PolicyIndex {
  /** Names of the resources that hold for the workload; the cost does not grow with those that choose others. */
  namesFor(target: PolicyTarget): readonly string[]
}

/** Names of the policies that hold for some workload of the node. */
export function policiesOn(
  node: string,
  placement: Pick<Placement, 'workloadsOn' | 'servicesOf'>,
  index: PolicyIndex,
): ReadonlySet<string> {
  const names = placement.workloadsOn(node).flatMap(({ id, namespace, labels }) => {
    return index.namesFor({ namespace, labels, services: placement.servicesOf(id) })
  })
  return new Set(names)
}

/** Of one namespace: the policies that choose by a service, by a label (the first of its selector), and by neither. */
interface Shelf {
  readonly all: Entry[]
  readonly byLabel: Map<string, Entry[]>
  readonly byService: Map<string, Entry[]>
}

interface Entry {
  readonly name: string
  readonly policy: PolicyResource
}

/** Puts policies, by resource name, where those that choose a workload are found at once. */
export function indexPolicies(
  policies: Iterable<readonly [string, PolicyResource]>,
  rootNamespace: string,
): PolicyIndex {
  const shelves = new Map<string, Shelf>()
  for (const [name, policy] of policies) {
    const shelf = shelves.get(policy.namespace) ?? { all: [], byLabel: new Map(), byService: new Map() }
    shelves.set(policy.namespace, shelf)
    put(shelf, { name, policy })
  }
  return {
    namesFor(target) {
      const found = new Set<string>()
      for (const namespace of new Set([rootNamespace, target.namespace])) {
        const shelf = shelves.get(namespace)
        if (shelf === undefined) continue
        for (const { name, policy } of candidates(shelf, target)) {
          if (policyApplies(policy, target, rootNamespace)) found.add(name)
        }
      }
      return [...found].sort()
    },
  }
}

function put(shelf: Shelf, entry: Entry): void {
  const { namespace, spec } = entry.policy
  const { targetRef, targetRefs = [], selector } = spec
  const refs: readonly TargetRef[] = targetRef === undefined ? targetRefs : [targetRef, ...targetRefs]
  const [label] = Object.entries(selector?.matchLabels ?? {})
  if (refs.length > 0) for (const { name } of refs) push(shelf.byService, `${namespace}/${name}`, entry)
  else if (label !== undefined) push(shelf.byLabel, labelKey(label), entry)
  else shelf.all.push(entry)
}

function* candidates(shelf: Shelf, target: PolicyTarget): Generator<Entry> {
  yield* shelf.all
  if (shelf.byLabel.size > 0) {
    for (const label of Object.entries(target.labels)) yield* shelf.byLabel.get(labelKey(label)) ?? []
  }
  if (shelf.byService.size > 0) for (const service of target.services) yield* shelf.byService.get(service) ?? []
}

function labelKey([key, value]: readonly [string, string]): string {
  return JSON.stringify([key, value])
}

function push(map: Map<string, Entry[]>, key: string, entry: Entry): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [entry])
  else list.push(entry)
}
