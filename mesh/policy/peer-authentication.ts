import type { MtlsMode } from '../model/agent-config.ts'
import { isDryRun, permissiveUntil } from '../resources/annotations.ts'
import type { PeerAuthentication } from '../resources/peer-authentication.ts'
import type { Resource } from '../resources/resource.ts'

/** The workload whose port is asked about. */
export interface PolicyTarget {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

/** A mode and the policy that decided it, as `<namespace>/<name>`; `default` when none did. */
export interface EffectiveMtls {
  readonly mode: MtlsMode
  readonly from: string
}

export interface PolicyOptions {
  /** The namespace whose policies hold for the whole mesh: Istio's is `istio-system`. */
  readonly rootNamespace: string
}

export interface ComposeOptions extends PolicyOptions {
  /** Milliseconds since 1970: whether what is PERMISSIVE for a time still is. */
  readonly now: number
}

/** A port's mode, and what it would be if the policies of dry runs were in force; absent when the same. */
export interface JudgedMtls extends EffectiveMtls {
  readonly dryRun?: EffectiveMtls
}

/** The policies that have a say about one workload, at most one of a scope, and the mode for any of its ports. */
export interface ComposedPeerAuthentication {
  /** For ports without a mode of their own. */
  readonly workload: JudgedMtls
  /** The effective mode of a port of the workload. */
  port(port: number): JudgedMtls
}

/**
 * Composes all policies for one workload, as Istio does: mesh, then namespace, then workload, each narrower one winning
 * where it says something, then the single port. UNSET inherits from the wider scope. Of several policies of one scope
 * the oldest counts alone, by creation time, then name. A policy of the root namespace with a selector holds for
 * nothing. Without any policy plaintext is permitted. Policies of dry runs have no effect; tried, they stand in for those
 * of their scope.
 */
export function composePeerAuthentication(
  policies: readonly PeerAuthentication[],
  target: PolicyTarget,
  options: ComposeOptions,
): ComposedPeerAuthentication {
  const ordered = policies.toSorted(byAge)
  const [tried, inForce] = [ordered.filter(isTried), ordered.filter(policy => !isTried(policy))]
  const real = composeOrdered(inForce, target, options)
  if (tried.length === 0) return real
  const dry = composeOrdered([...tried, ...inForce], target, options)
  return {
    workload: withDryRun(real.workload, dry.workload),
    port: port => withDryRun(real.port(port), dry.port(port)),
  }
}

/** The effective mode of one port of a workload; see {@link composePeerAuthentication}. */
export function effectiveMtls(
  policies: readonly PeerAuthentication[],
  target: PolicyTarget,
  port: number,
  options: ComposeOptions,
): JudgedMtls {
  return composePeerAuthentication(policies, target, options).port(port)
}

/** `<namespace>/<name>`: how a policy is named in answers. */
export function policyName(policy: PeerAuthentication): string {
  return `${policy.metadata.namespace}/${policy.metadata.name}`
}

/** True when the policy names labels; an empty selector selects everything, as none does. */
export function hasSelector(policy: PeerAuthentication): boolean {
  return Object.keys(policy.spec.selector?.matchLabels ?? {}).length > 0
}

/** True when a workload of these labels carries all labels of the policy's selector. */
export function selects(policy: PeerAuthentication, labels: Readonly<Record<string, string>>): boolean {
  const wanted = Object.entries(policy.spec.selector?.matchLabels ?? {})
  return wanted.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
}

/** Orders resources as they win within one scope: oldest first, one without a time before all, then by name. */
export function byAge(a: Pick<Resource, 'metadata'>, b: Pick<Resource, 'metadata'>): number {
  const age = createdAt(a) - createdAt(b)
  return age !== 0
    ? age
    : compare(a.metadata.name, b.metadata.name) || compare(a.metadata.namespace, b.metadata.namespace)
}

const undecided: EffectiveMtls = { mode: 'PERMISSIVE', from: 'default' }

interface Composed {
  readonly workload: EffectiveMtls
  port(port: number): EffectiveMtls
}

/** Of several policies of one scope the first counts. */
function composeOrdered(
  ordered: readonly PeerAuthentication[],
  target: PolicyTarget,
  { rootNamespace, now }: ComposeOptions,
): Composed {
  const meshWide = ordered.find(policy => policy.metadata.namespace === rootNamespace && !hasSelector(policy))
  const local = ordered.filter(
    policy => policy.metadata.namespace === target.namespace && target.namespace !== rootNamespace,
  )
  const namespaceWide = local.find(policy => !hasSelector(policy))
  const own = local.find(policy => hasSelector(policy) && selects(policy, target.labels))
  const said = (policy: PeerAuthentication | undefined) => decision(policy, policy?.spec.mtls?.mode, now)
  const workload = said(own) ?? said(namespaceWide) ?? said(meshWide) ?? undecided
  return { workload, port: port => decision(own, own?.spec.portLevelMtls?.[String(port)]?.mode, now) ?? workload }
}

function decision(
  policy: PeerAuthentication | undefined,
  mode: MtlsMode | 'UNSET' | undefined,
  now: number,
): EffectiveMtls | undefined {
  if (policy === undefined || mode === undefined || mode === 'UNSET') return undefined
  const until = mode === 'PERMISSIVE' ? permissiveUntil(policy.metadata) : undefined
  return { mode: until !== undefined && until <= now ? 'STRICT' : mode, from: policyName(policy) }
}

function withDryRun(real: EffectiveMtls, dry: EffectiveMtls): JudgedMtls {
  return real.mode === dry.mode ? real : { ...real, dryRun: dry }
}

function isTried({ metadata }: PeerAuthentication): boolean {
  return isDryRun(metadata)
}

function createdAt({ metadata }: Pick<Resource, 'metadata'>): number {
  const { creationTimestamp } = metadata
  return creationTimestamp === undefined ? 0 : Date.parse(creationTimestamp)
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}
