import type { Workload } from '../../mesh/model/workload.ts'
import type { NodeRecord } from '../store/store.ts'
import type { Admission } from './admission.ts'

/** What a node's claim to an identity rests on. */
export type Evidence = 'join-token' | 'operator-declared' | `${string} by JoinPolicy ${string}`

export interface Claim {
  readonly node: NodeRecord
  readonly identity: { readonly namespace: string; readonly serviceAccount: string }
  readonly workloads: Iterable<Workload>
  /** Whether only an operator can write into the registry of that name: files, as opposed to self-registration. */
  readonly operatorDeclared: (registry: string) => boolean
  /** What JoinPolicies say; without it only nodes with join tokens may hold anything. */
  readonly admission?: Pick<Admission, 'admitting' | 'right'> | undefined
}

/**
 * Whether a node may hold a workload identity, and why; undefined when it may not. The identities named in its join
 * token are all it may have. With none named, a workload of an operator-declared registry must sit on the node:
 * registering oneself makes one known, never trusted. A node that joined with other evidence holds what a JoinPolicy
 * names and a registry that the policy believes places on it, as long as both say so. A banned node may hold nothing.
 */
export function mayHold(claim: Claim): Evidence | undefined {
  const { node, identity, operatorDeclared } = claim
  if (node.banned) return undefined
  const name = `${identity.namespace}/${identity.serviceAccount}`
  if (node.evidence !== undefined) return byEvidence(claim, name)
  if (node.identities.length > 0) return node.identities.includes(name) ? 'join-token' : undefined
  return placed(claim).some(operatorDeclared) ? 'operator-declared' : undefined
}

function byEvidence(claim: Claim, identity: string): Evidence | undefined {
  const { node, admission, operatorDeclared } = claim
  const { evidence } = node
  if (evidence === undefined || admission === undefined) return undefined
  const admitting = admission.admitting(evidence, node.name)
  if (admitting.length === 0) return undefined
  const registries = placed(claim)
  for (const registry of registries) {
    const policy = admission.right(node, identity, registry)
    if (policy !== undefined) return `${evidence.kind} by JoinPolicy ${policy.metadata.name}`
  }
  const isLeftToOperators = admitting.some(({ spec }) => spec.identities.length === 0)
  return isLeftToOperators && registries.some(operatorDeclared) ? 'operator-declared' : undefined
}

/** The registries that place the identity on the node. */
function placed({ node, identity, workloads }: Claim): readonly string[] {
  const registries = new Set<string>()
  for (const workload of workloads) {
    if (
      workload.node === node.name &&
      workload.namespace === identity.namespace &&
      workload.serviceAccount === identity.serviceAccount
    ) {
      registries.add(workload.registry)
    }
  }
  return [...registries]
}
