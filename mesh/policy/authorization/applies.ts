import type { PolicyConfig, PolicyScope, TargetRef, UnreadablePolicy } from '../../model/policy.ts'

/** Whose calls are judged. */
export interface AuthorizationTarget {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  /** `<namespace>/<name>` of the services that the port is of: what `targetRefs` name. */
  readonly services: readonly string[]
  /** What the port speaks: requests are judged, or connections. */
  readonly protocol: 'http' | 'tcp'
}

/**
 * Whether a policy holds for a workload: it is of the root namespace or the workload's own, and its selector's labels are
 * all there; one with targetRefs holds for the services of its own namespace that it names, and for nothing else.
 */
export function policyApplies(
  { namespace, spec }: { readonly namespace: string; readonly spec: PolicyScope },
  target: Omit<AuthorizationTarget, 'protocol'>,
  rootNamespace: string,
): boolean {
  if (namespace !== rootNamespace && namespace !== target.namespace) return false
  const refs = spec.targetRef === undefined ? spec.targetRefs : [spec.targetRef, ...(spec.targetRefs ?? [])]
  if (refs !== undefined && refs.length > 0) return refs.some(ref => isService(ref, namespace, target.services))
  const wanted = spec.selector?.matchLabels
  if (wanted === undefined) return true
  for (const key of Object.keys(wanted)) {
    if (!Object.hasOwn(target.labels, key) || target.labels[key] !== wanted[key]) return false
  }
  return true
}

/** The first policy for the target that cannot be read; undefined when all can. */
export function unreadableOf(
  { unreadable, rootNamespace }: Pick<PolicyConfig, 'unreadable' | 'rootNamespace'>,
  target: Omit<AuthorizationTarget, 'protocol'>,
): UnreadablePolicy | undefined {
  return unreadable.find(({ namespace = rootNamespace, spec }) =>
    policyApplies({ namespace, spec }, target, rootNamespace),
  )
}

function isService(ref: TargetRef, namespace: string, services: readonly string[]): boolean {
  const isKnown = ref.kind === 'Service' || ref.kind === 'ServiceEntry'
  if (!isKnown || (ref.namespace !== undefined && ref.namespace !== '' && ref.namespace !== namespace)) return false
  return services.includes(`${namespace}/${ref.name}`)
}
