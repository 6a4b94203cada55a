import type { Workload } from '../../mesh/model/workload.ts'
import type { NodeRecord } from '../store/store.ts'

/** What a node's claim to an identity rests on. */
export type Evidence = 'join-token' | 'operator-declared'

export interface Claim {
  readonly node: NodeRecord
  readonly identity: { readonly namespace: string; readonly serviceAccount: string }
  readonly workloads: Iterable<Workload>
  /** Whether only an operator can write into the registry of that name: files, as opposed to self-registration. */
  readonly operatorDeclared: (registry: string) => boolean
}

/**
 * Whether a node may hold a workload identity, and why; undefined when it may not. The identities named in its join
 * token are all it may have. With none named, a workload of an operator-declared registry must sit on the node:
 * registering oneself makes one known, never trusted. A banned node may hold nothing.
 */
export function mayHold({ node, identity, workloads, operatorDeclared }: Claim): Evidence | undefined {
  if (node.banned) return undefined
  if (node.identities.length > 0) {
    return node.identities.includes(`${identity.namespace}/${identity.serviceAccount}`) ? 'join-token' : undefined
  }
  for (const workload of workloads) {
    if (
      workload.node === node.name &&
      workload.namespace === identity.namespace &&
      workload.serviceAccount === identity.serviceAccount &&
      operatorDeclared(workload.registry)
    ) {
      return 'operator-declared'
    }
  }
  return undefined
}
