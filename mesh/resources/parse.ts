import { didYouMean } from '../std/did-you-mean.ts'
import { type Checked, checkDocument, problemIn } from './check.ts'
import { readDocuments, type SourceDocument } from './document.ts'
import type { ResourceProblem } from './problem.ts'
import { isResourceKind, type Resource, resourceSchemas, resourceVersions, unimplementedKinds } from './resource.ts'

export interface ParsedResources {
  readonly resources: readonly Resource[]
  readonly problems: readonly ResourceProblem[]
}

/** A resource and the document it stands in, which knows its places. */
export interface SourcedResource {
  readonly resource: Resource
  readonly source: SourceDocument
}

/** Something wrong with a resource that a schema alone cannot know: a name that does not exist. */
export interface ResourceFinding {
  readonly path: readonly (string | number)[]
  /** Lower case, no full stop; reads on after the path. */
  readonly message: string
  readonly at?: 'key' | 'value'
  readonly suggestion?: string | undefined
}

/**
 * Reads resources from a text of one or more YAML or JSON documents. A document that is bad in any way gives problems
 * and no resource; the others are not held up by it. `file` is what the text is called in problems; `judge` finds what
 * only somebody who knows the mesh can. Never throws.
 */
export function parseResources(
  text: string,
  file: string,
  judge: (resource: Resource) => readonly ResourceFinding[] = () => [],
): ParsedResources {
  const { resources, problems } = parseSources(text, file, judge)
  return { resources: resources.map(({ resource }) => resource), problems }
}

/** As {@link parseResources}, with the document of each resource, for those who have more to say of it. */
export function parseSources(
  text: string,
  file: string,
  judge: (resource: Resource) => readonly ResourceFinding[] = () => [],
): { readonly resources: readonly SourcedResource[]; readonly problems: readonly ResourceProblem[] } {
  const { documents, problems } = readDocuments(text, file)
  const checked = documents.map(source => ({ source, ...judged(source, parseResource(source), judge) }))
  return {
    resources: checked.flatMap(one => (one.kind === 'good' ? [{ resource: one.value, source: one.source }] : [])),
    problems: [...problems, ...checked.flatMap(one => (one.kind === 'bad' ? one.problems : []))],
  }
}

/** Checks one document: its kind and version first, then everything in it. */
export function parseResource(document: SourceDocument): Checked<Resource> {
  const { value } = document
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return bad(
      problemIn(document, [], { message: 'a resource must be a mapping with apiVersion, kind, metadata and spec' }),
    )
  }
  const kind = 'kind' in value ? value.kind : undefined
  if (typeof kind !== 'string') return bad(problemIn(document, ['kind'], { message: 'is required' }))
  if (!isResourceKind(kind)) return bad(unknownKind(document, kind))
  const version = 'apiVersion' in value ? value.apiVersion : undefined
  const versions = resourceVersions[kind]
  if (typeof version !== 'string') return bad(problemIn(document, ['apiVersion'], { message: 'is required' }))
  if (!versions.includes(version)) {
    const message = `${version} has no ${kind}, it is one of ${versions.join(', ')}`
    const suggestion = didYouMean(version, versions)
    return bad(problemIn(document, ['apiVersion'], { reason: 'unknown', message, suggestion }))
  }
  return checkDocument<Resource>(document, resourceSchemas[kind])
}

function judged(
  document: SourceDocument,
  checked: Checked<Resource>,
  judge: (resource: Resource) => readonly ResourceFinding[],
): Checked<Resource> {
  if (checked.kind === 'bad') return checked
  const findings = judge(checked.value)
  if (findings.length === 0) return checked
  return { kind: 'bad', problems: findings.map(({ path, ...said }) => problemIn(document, [...path], said)) }
}

function unknownKind(document: SourceDocument, kind: string): ResourceProblem {
  if (unimplementedKinds.includes(kind)) {
    const message = `is not implemented: resources of kind ${kind}`
    return problemIn(document, ['kind'], { reason: 'unimplemented', message })
  }
  const suggestion = didYouMean(kind, [...Object.keys(resourceSchemas), ...unimplementedKinds])
  return problemIn(document, ['kind'], {
    reason: 'unknown',
    message: `${kind} is not a kind that weft knows`,
    suggestion,
  })
}

function bad(problem: ResourceProblem): Checked<Resource> {
  return { kind: 'bad', problems: [problem] }
}
