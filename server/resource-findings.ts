import { analyze } from '../mesh/analyze/analyze.ts'
import type { AnalyzedWorkload, Finding, KnownService } from '../mesh/analyze/finding.ts'
import { type PlacedFinding, placedView } from '../mesh/analyze/finding-view.ts'
import type { CatalogueSnapshot } from '../mesh/model/catalogue.ts'
import { problemIn } from '../mesh/resources/check.ts'
import type { SourcedResource } from '../mesh/resources/parse.ts'
import { problemsError } from '../mesh/resources/problem.ts'
import { describeResource, type Resource } from '../mesh/resources/resource.ts'
import { MeshError } from '../mesh/std/errors.ts'

/** What references of resources are held to. */
export interface FindingScope {
  readonly rootNamespace: string
  /** What follows `<name>.<namespace>.` in full names. */
  readonly domain: string
  /** All services known now; undefined while the registries have not spoken. */
  services(): readonly KnownService[] | undefined
  /** All workloads known now; undefined while nobody knows. */
  workloads(): readonly AnalyzedWorkload[] | undefined
  readonly trustDomain?: string | undefined
  /** Milliseconds since 1970. */
  now(): number
}

/** Everything there is to say of resources together. */
export function findingsOf(
  resources: readonly Resource[],
  scope: FindingScope,
  isAsked?: (resource: Resource) => boolean,
): readonly Finding[] {
  const { rootNamespace, domain, trustDomain } = scope
  const services = scope.services()
  const workloads = scope.workloads()
  return analyze({
    resources,
    rootNamespace,
    domain,
    now: scope.now(),
    ...(isAsked === undefined ? {} : { isAsked }),
    ...(services === undefined ? {} : { services }),
    ...(workloads === undefined ? {} : { workloads }),
    ...(trustDomain === undefined ? {} : { trustDomain }),
  })
}

/**
 * Judges the state there would be, and only what the written resources bring into it: gives warnings at their places.
 * Throws WEFT_RESOURCE_INVALID for one that stands in the wrong place, and WEFT_RESOURCE_CONFLICT for two of which only
 * one would hold.
 */
export function judgeWritten(
  after: readonly Resource[],
  written: readonly SourcedResource[],
  scope: FindingScope,
): readonly PlacedFinding[] {
  const sources = new Map(written.map(({ resource, source }) => [describeResource(resource), source]))
  const isWritten = (resource: Resource | undefined) =>
    resource !== undefined && sources.has(describeResource(resource))
  const findings = findingsOf(after, scope, isWritten).filter(
    ({ resource, other }) => isWritten(resource) || isWritten(other),
  )
  const error = findings.find(({ severity }) => severity === 'error')
  if (error !== undefined) throw refusal(error, sources)
  return findings.flatMap(finding => {
    const source = sources.get(describeResource(finding.resource))
    return source === undefined ? [] : [placedView(finding, source)]
  })
}

function refusal(
  { resource, other, path, message }: Finding,
  sources: ReadonlyMap<string, SourcedResource['source']>,
): MeshError {
  const source = sources.get(describeResource(resource))
  if (other === undefined && source !== undefined) return problemsError([problemIn(source, [...path], { message })])
  return new MeshError('WEFT_RESOURCE_CONFLICT', message, {
    fields: { resources: [resource, ...(other === undefined ? [] : [other])].map(describeResource) },
    next: 'change one of the two, or delete it first; nothing was applied',
  })
}

/** The services of the catalogue by all their names; undefined while there are none. */
export function knownServices({ services }: CatalogueSnapshot, domain: string): readonly KnownService[] | undefined {
  if (services.size === 0) return undefined
  return [...services.values()].map(({ namespace, name, hosts, ports }) => ({
    namespace,
    hosts: [`${name}.${namespace}.${domain}`, ...hosts],
    ports: ports.map(({ port }) => port),
  }))
}
