import { permissiveFor } from '../policy/permissive-until.ts'
import { findConflicts } from '../policy/policy-conflicts.ts'
import { authorizationWarnings, type PolicySurroundings } from '../policy/policy-warnings.ts'
import { permissiveUntilAnnotation } from '../resources/annotations.ts'
import type { AuthorizationPolicy } from '../resources/authorization-policy.ts'
import type { MeshSettings } from '../resources/mesh-settings.ts'
import type { RequestAuthentication } from '../resources/request-authentication.ts'
import { describeResource, type Resource } from '../resources/resource.ts'
import { entryLabels } from '../resources/workload-to-model.ts'
import { didYouMean } from '../std/did-you-mean.ts'
import type { AnalyzedWorkload, AnalyzedWorld, Finding } from './finding.ts'
import { createPolicyTargets, type PolicyTargets, refsOf } from './policy-targets.ts'
import { tokenFindings } from './tokens.ts'

/** Finds policies that do not do what they say, or do it for nobody. */
export function policyFindings(world: AnalyzedWorld): Finding[] {
  const { resources, rootNamespace } = world
  const policies = resources.filter(isTargeted)
  const workloads = world.workloads && [...world.workloads, ...written(resources)]
  const targets = workloads && createPolicyTargets(workloads, rootNamespace)
  const asked = policies.filter(world.isAsked ?? (() => true))
  const names = serviceNames(world)
  const settings = settingsOf(world)
  return [
    ...peerConflicts(world),
    ...permissive(world),
    ...asked.flatMap(policy => targetFindings(policy, names, targets)),
    ...asked.flatMap(policy => (policy.kind === 'AuthorizationPolicy' ? rules(policy, world, settings, targets) : [])),
    ...tokenFindings(policies, rootNamespace),
  ]
}

type Targeted = AuthorizationPolicy | RequestAuthentication

function isTargeted(resource: Resource): resource is Targeted {
  return resource.kind === 'AuthorizationPolicy' || resource.kind === 'RequestAuthentication'
}

/** What is written together with a policy is not in the catalogue yet; of its ports and services nothing is known. */
function written(resources: readonly Resource[]): readonly AnalyzedWorkload[] {
  return resources
    .filter(resource => resource.kind === 'WorkloadEntry')
    .map(entry => ({
      namespace: entry.metadata.namespace,
      labels: entryLabels(entry),
      services: [],
      ports: [],
      isMeshed: true,
    }))
}

function peerConflicts({ resources, rootNamespace }: AnalyzedWorld): Finding[] {
  const byName = new Map(resources.map(resource => [describeResource(resource), resource]))
  return findConflicts(resources, { rootNamespace }).flatMap(({ policy, winner, message }): Finding[] => {
    const resource = byName.get(`PeerAuthentication ${policy}`)
    const other = winner === undefined ? undefined : byName.get(`PeerAuthentication ${winner}`)
    const path = ['spec', 'selector']
    const who = other === undefined ? {} : { other }
    return resource === undefined
      ? []
      : [{ severity: 'error', code: 'duplicate-policy', resource, ...who, path, message }]
  })
}

function permissive({ resources, now }: AnalyzedWorld): Finding[] {
  if (now === undefined) return []
  const byName = new Map(resources.map(resource => [describeResource(resource), resource]))
  return permissiveFor(resources, now).flatMap(({ policy, until, isOver }): Finding[] => {
    const resource = byName.get(`PeerAuthentication ${policy}`)
    const time = new Date(until).toISOString()
    const message = isOver
      ? `is over: PERMISSIVE has counted as STRICT since ${time}; write STRICT`
      : `permits plaintext until ${time}; from then on PERMISSIVE counts as STRICT`
    const path = ['metadata', 'annotations', permissiveUntilAnnotation]
    return resource === undefined ? [] : [{ severity: 'warning', code: 'permissive-until', resource, path, message }]
  })
}

/** Keys of all services, those of the resources too; undefined where nobody knows what there is. */
function serviceNames({ services, resources, domain }: AnalyzedWorld): ReadonlySet<string> | undefined {
  if (services === undefined) return undefined
  const declared = resources.filter(({ kind }) => kind === 'ServiceEntry').map(({ metadata }) => metadata)
  const known = services.flatMap(({ namespace, hosts }) => {
    const own = `.${namespace}.${domain}`
    const names = hosts.filter(host => host.endsWith(own)).map(host => host.slice(0, -own.length))
    return names.map(name => `${namespace}/${name}`)
  })
  return new Set([...known, ...declared.map(({ namespace, name }) => `${namespace}/${name}`)])
}

function targetFindings(
  policy: Targeted,
  names: ReadonlySet<string> | undefined,
  targets: PolicyTargets | undefined,
): Finding[] {
  const { namespace } = policy.metadata
  const refs = refsOf(policy.spec)
  const field = policy.spec.targetRef === undefined ? ['spec', 'targetRefs'] : ['spec', 'targetRef']
  if (refs.length > 0) {
    return refs.flatMap(({ kind, name }, index): Finding[] => {
      const path = field.at(-1) === 'targetRef' ? field : [...field, index]
      const of = { severity: 'warning', code: 'unknown-target', resource: policy, path } as const
      if (kind === 'Gateway' || kind === 'GatewayClass') {
        return [{ ...of, message: 'is a gateway, of which weft has none: the policy holds for nothing there' }]
      }
      const serving = targets?.serving(`${namespace}/${name}`) ?? []
      if (serving.length > 0 && targets?.of(scopeOf(policy)).length === 0) {
        const message = `${name} has workloads of other namespaces only, and policies hold for those of their own`
        return [{ ...of, path: [...path, 'name'], message }]
      }
      if (names === undefined || names.has(`${namespace}/${name}`)) return []
      const siblings = [...names]
        .filter(one => one.startsWith(`${namespace}/`))
        .map(one => one.slice(namespace.length + 1))
      const message = `${name} is no service of namespace ${namespace} that is known: the policy holds for nothing there`
      return [{ ...of, path: [...path, 'name'], message, suggestion: didYouMean(name, siblings) }]
    })
  }
  const labels = Object.entries(policy.spec.selector?.matchLabels ?? {})
  if (labels.length === 0 || targets === undefined || targets.of(scopeOf(policy)).length > 0) return []
  const message = 'chooses no workload that is known: the policy holds for nothing yet'
  return [{ severity: 'warning', code: 'unknown-target', resource: policy, path: ['spec', 'selector'], message }]
}

function settingsOf({ resources, rootNamespace }: AnalyzedWorld): MeshSettings['spec'] {
  const [settings] = resources
    .filter(resource => resource.kind === 'MeshSettings')
    .filter(({ metadata }) => metadata.namespace === rootNamespace)
  return settings?.spec ?? {}
}

function rules(
  policy: AuthorizationPolicy,
  world: AnalyzedWorld,
  settings: MeshSettings['spec'],
  targets: PolicyTargets | undefined,
): Finding[] {
  const chosen = targets?.of(scopeOf(policy)) ?? []
  const { trustDomainAliases = [] } = settings
  const surroundings: PolicySurroundings = {
    rootNamespace: world.rootNamespace,
    // where it is not known, every one that is named may be it
    trustDomain: world.trustDomain ?? '',
    trustDomainAliases: world.trustDomain === undefined ? namedTrustDomains(policy) : trustDomainAliases,
    pathNormalization: settings.pathNormalization?.normalization ?? 'DEFAULT',
    ports: chosen.length === 0 ? undefined : chosen.flatMap(({ ports }) => ports),
    isPlaintextOnly: chosen.length > 0 && !chosen.some(({ isMeshed }) => isMeshed),
  }
  return authorizationWarnings(scopeOf(policy), surroundings).map(({ path, message }) => {
    return { severity: 'warning', code: 'policy-rule', resource: policy, path, message }
  })
}

function namedTrustDomains({ spec }: AuthorizationPolicy): readonly string[] {
  const named = (spec.rules ?? []).flatMap(({ from = [], when = [] }) => [
    ...from.flatMap(({ source }) => [...(source.principals ?? []), ...(source.notPrincipals ?? [])]),
    ...when.flatMap(({ values = [], notValues = [] }) => [...values, ...notValues]),
  ])
  return [...new Set(named.map(principal => principal.split('/', 1)[0] ?? ''))]
}

function scopeOf<Spec>({ metadata, spec }: { metadata: { namespace: string }; spec: Spec }) {
  return { namespace: metadata.namespace, spec }
}
