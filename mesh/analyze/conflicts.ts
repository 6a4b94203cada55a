import type { DestinationRule } from '../resources/destination-rule.ts'
import { describeResource, type Resource } from '../resources/resource.ts'
import type { VirtualService } from '../resources/virtual-service.ts'
import { fullHost } from '../routing/hosts.ts'
import { exportSet } from '../routing/visibility.ts'
import { type AnalyzedWorld, byAge, destinationRulesOf, type Finding, virtualServicesOf } from './finding.ts'

/** Finds resources of which only one would hold, though none says so. */
export function conflictFindings(world: AnalyzedWorld): Finding[] {
  return [...duplicateHosts(world), ...unmergeableRules(world), ...settings(world)]
}

/** Istio lets the oldest VirtualService for a host win; two of one namespace are nobody's intent. */
function duplicateHosts({ resources, domain }: AnalyzedWorld): Finding[] {
  const holders = new Map<string, VirtualService[]>()
  return virtualServicesOf(resources)
    .toSorted(byAge)
    .flatMap(resource => {
      const { namespace } = resource.metadata
      return (resource.spec.hosts ?? []).flatMap((host, index): Finding[] => {
        const key = `${namespace} ${fullHost(host.toLowerCase(), namespace, domain)}`
        const before = holders.get(key) ?? []
        holders.set(key, [...before, resource])
        const other = before.find(one => shareGateway(one, resource) && seenTogether(one, resource))
        if (other === undefined) return []
        const message = `${describeResource(resource)} and ${describeResource(other)} are both for the host ${host}, only one may be`
        return [{ severity: 'error', code: 'duplicate-host', resource, other, path: ['spec', 'hosts', index], message }]
      })
    })
}

function shareGateway(a: VirtualService, b: VirtualService): boolean {
  const gateways = ({ spec, metadata }: VirtualService) => {
    const names = spec.gateways ?? []
    if (names.length === 0) return new Set(['mesh'])
    return new Set(names.map(name => (name === 'mesh' || name.includes('/') ? name : `${metadata.namespace}/${name}`)))
  }
  return !gateways(a).isDisjointFrom(gateways(b))
}

/** Exported to all and exported by name do not meet: where both are seen, the latter goes before the former. */
function seenTogether(a: VirtualService, b: VirtualService): boolean {
  const [left, right] = [exportsOf(a), exportsOf(b)]
  return !left.isDisjointFrom(right)
}

function exportsOf({ spec, metadata }: VirtualService | DestinationRule): ReadonlySet<string> {
  const names = exportSet(spec.exportTo, metadata.namespace)
  return names.size === 0 ? new Set(['*']) : names
}

/** Two DestinationRules for a host are merged only when the younger is shown to all that the older is (Istio's rule). */
function unmergeableRules({ resources, domain }: AnalyzedWorld): Finding[] {
  const holders = new Map<string, DestinationRule[]>()
  return destinationRulesOf(resources)
    .toSorted(byAge)
    .flatMap((resource): Finding[] => {
      const { namespace } = resource.metadata
      const { host, workloadSelector } = resource.spec
      const labels = Object.entries(workloadSelector?.matchLabels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
      const selector = JSON.stringify(workloadSelector === undefined ? [] : [labels])
      const key = `${namespace} ${fullHost(host.toLowerCase(), namespace, domain)} ${selector}`
      const before = holders.get(key) ?? []
      holders.set(key, [...before, resource])
      return before.flatMap(other => meeting(other, resource))
    })
}

function meeting(older: DestinationRule, resource: DestinationRule): Finding[] {
  const [theirs, ours] = [exportsOf(older), exportsOf(resource)]
  const bothSeen = theirs.has('*') || ours.has('*') || !theirs.isDisjointFrom(ours)
  if (!bothSeen) return []
  const of = { resource, other: older } as const
  if (!mayMerge(older, resource)) {
    const message = `${describeResource(resource)} and ${describeResource(older)} are both for the host ${resource.spec.host} and exported differently, so that they cannot be merged`
    return [{ severity: 'error', code: 'unmergeable', ...of, path: ['spec', 'host'], message }]
  }
  const said = describeResource(older)
  const policy: Finding[] =
    older.spec.trafficPolicy === undefined || resource.spec.trafficPolicy === undefined
      ? []
      : [
          {
            severity: 'warning',
            code: 'policy-ignored',
            ...of,
            path: ['spec', 'trafficPolicy'],
            message: `does not count: that of ${said} for the same host does, which is older`,
            at: 'key',
          },
        ]
  const names = new Set((older.spec.subsets ?? []).map(({ name }) => name))
  const subsets = (resource.spec.subsets ?? []).flatMap(({ name }, index): Finding[] => {
    if (!names.has(name)) return []
    const message = `does not count: ${said} for the same host has a subset ${name}, and is older`
    return [{ severity: 'warning', code: 'policy-ignored', ...of, path: ['spec', 'subsets', index, 'name'], message }]
  })
  return [...policy, ...subsets]
}

/** As routing merges: what is exported to nobody by name merges only with its like. */
function mayMerge(older: DestinationRule, younger: DestinationRule): boolean {
  if (older.spec.workloadSelector !== undefined) return true
  const [theirs, ours] = [older, younger].map(({ spec, metadata }) => exportSet(spec.exportTo, metadata.namespace))
  if (theirs === undefined || ours === undefined) return true
  return theirs.size === 0 ? ours.size === 0 : theirs.isSubsetOf(ours)
}

function settings({ resources, rootNamespace }: AnalyzedWorld): Finding[] {
  const [holder, ...others] = resources.filter(({ kind }) => kind === 'MeshSettings').toSorted(byAge)
  const misplaced = [holder, ...others].flatMap((resource): Finding[] => {
    if (resource === undefined || resource.metadata.namespace === rootNamespace) return []
    const message = `must be ${rootNamespace}: MeshSettings hold for the whole mesh`
    return [{ severity: 'error', code: 'misplaced', resource, path: ['metadata', 'namespace'], message }]
  })
  const policies = resources.filter(
    ({ kind, metadata }) => kind === 'JoinPolicy' && metadata.namespace !== rootNamespace,
  )
  const elsewhere = policies.map((resource): Finding => {
    const message = `must be ${rootNamespace}: JoinPolicies are about hosts, which are of no namespace`
    return { severity: 'error', code: 'misplaced', resource, path: ['metadata', 'namespace'], message }
  })
  return [
    ...misplaced,
    ...elsewhere,
    ...others.flatMap(resource => (holder === undefined ? [] : [second(resource, holder)])),
  ]
}

function second(resource: Resource, other: Resource): Finding {
  const message = `${describeResource(resource)} and ${describeResource(other)} are both for the whole mesh, only one may be`
  return { severity: 'error', code: 'duplicate-settings', resource, other, path: ['metadata', 'name'], message }
}
