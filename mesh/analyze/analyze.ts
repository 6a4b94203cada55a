import { describeResource } from '../resources/resource.ts'
import { conflictFindings } from './conflicts.ts'
import { delegateFindings } from './delegates.ts'
import { type AnalyzedWorld, type Finding, virtualServicesOf } from './finding.ts'
import { lintFindings } from './lints.ts'
import { policyFindings } from './policies.ts'
import { referenceFindings } from './references.ts'
import { unreachableFindings } from './unreachable.ts'

/**
 * Everything there is to say of resources that are each fine for themselves: errors first, then by resource. Only what is
 * certain is said.
 */
export function analyze(world: AnalyzedWorld): readonly Finding[] {
  const findings = [
    ...conflictFindings(world),
    ...referenceFindings(world),
    ...delegateFindings(world),
    ...virtualServicesOf(world.resources).flatMap(unreachableFindings),
    ...lintFindings(world),
    ...policyFindings(world),
  ]
  const rank = ({ severity, resource }: Finding) => `${severity === 'error' ? 0 : 1} ${describeResource(resource)}`
  return findings.toSorted((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0))
}
