import type { PolicyPort } from '../policy/policy-warnings.ts'
import type { DestinationRule } from '../resources/destination-rule.ts'
import type { Resource } from '../resources/resource.ts'
import type { VirtualService } from '../resources/virtual-service.ts'

type Path = readonly (string | number)[]

/** What there is to say of resources that are each fine for themselves. */
export interface Finding {
  /** An error is refused when it is written; with a warning the resource is applied. */
  readonly severity: 'error' | 'warning'
  readonly code: FindingCode
  /** The resource it is about. */
  readonly resource: Resource
  /** Another one, which is in its way. */
  readonly other?: Resource
  readonly path: Path
  /** Lower case, no full stop; reads on after the path. */
  readonly message: string
  readonly at?: 'key' | 'value'
  readonly suggestion?: string | undefined
}

/** What a finding is about, for people and for programs that sort them. */
export const findingCodes = [
  'delegate-conflict',
  'delegate-limit',
  'duplicate-host',
  'duplicate-policy',
  'duplicate-settings',
  'fault-never',
  'misplaced',
  'no-effect',
  'permissive-until',
  'policy-ignored',
  'policy-rule',
  'raw-prefix',
  'secret-key',
  'token-optional',
  'unknown-delegate',
  'unknown-gateway',
  'unknown-host',
  'unknown-port',
  'unknown-subset',
  'unknown-target',
  'unmergeable',
  'unreachable',
  'unused-delegate',
  'weights',
] as const
export type FindingCode = (typeof findingCodes)[number]

/** A service as far as references to it are concerned. */
export interface KnownService {
  readonly namespace: string
  /** Full names, lower case; `*.` in front stands for all below. */
  readonly hosts: readonly string[]
  readonly ports: readonly number[]
}

/** A workload as far as policies are for it. */
export interface AnalyzedWorkload {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  /** `<namespace>/<name>` of the services that it serves. */
  readonly services: readonly string[]
  readonly ports: readonly PolicyPort[]
  /** False for one that is called in plaintext only. */
  readonly isMeshed: boolean
}

/** Everything that findings are made from. */
export interface AnalyzedWorld {
  readonly resources: readonly Resource[]
  /** All services; absent where they are not known, and then nothing is said of names that no resource declares. */
  readonly services?: readonly KnownService[]
  /** All workloads; absent where they are not known. */
  readonly workloads?: readonly AnalyzedWorkload[]
  /** Absent where it is not known. */
  readonly trustDomain?: string
  /** Whether what there is to say of a policy alone is asked for; of all when absent. */
  readonly isAsked?: (resource: Resource) => boolean
  /** Milliseconds since 1970; without it nothing is said of what holds for a time. */
  readonly now?: number
  /** Namespace whose MeshSettings, DestinationRules and Sidecars hold for the whole mesh. */
  readonly rootNamespace: string
  /** What follows `<name>.<namespace>.` in full names. */
  readonly domain: string
}

export function virtualServicesOf(resources: readonly Resource[]): VirtualService[] {
  return resources.filter(resource => resource.kind === 'VirtualService')
}

export function destinationRulesOf(resources: readonly Resource[]): DestinationRule[] {
  return resources.filter(resource => resource.kind === 'DestinationRule')
}

/** The older of two first, as Istio decides: by creation, then by name, then by namespace. */
export function byAge({ metadata: a }: Resource, { metadata: b }: Resource): number {
  const time = (text: string | undefined) => Date.parse(text ?? '') || 0
  const [first, second] = [`${a.name}/${a.namespace}`, `${b.name}/${b.namespace}`]
  return time(a.creationTimestamp) - time(b.creationTimestamp) || (first < second ? -1 : 1)
}
