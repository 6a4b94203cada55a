import { problemIn } from '../../mesh/resources/check.ts'
import { readDocuments, type SourceDocument } from '../../mesh/resources/document.ts'
import {
  isResourceDocument,
  type NativeService,
  type NativeWorkload,
  parseNative,
} from '../../mesh/resources/native.ts'
import { parseResource } from '../../mesh/resources/parse.ts'
import type { ResourceProblem } from '../../mesh/resources/problem.ts'
import type { Resource } from '../../mesh/resources/resource.ts'

/** Something declared in a file, with its place there as `file:line:column`. */
export interface Declared<T> {
  readonly place: string
  readonly value: T
}

/** What one file declares. */
export interface RegistryFile {
  readonly resources: readonly Declared<Resource>[]
  readonly services: readonly Declared<NativeService>[]
  readonly workloads: readonly Declared<NativeWorkload>[]
  /** Further files, as paths or globs relative to this one. */
  readonly includes: readonly Declared<string>[]
}

/** Kinds that say what there is; all others say what shall hold. */
const registryKinds: ReadonlySet<string> = new Set(['WorkloadEntry', 'WorkloadGroup', 'ServiceEntry'])

export const emptyFile: RegistryFile = { resources: [], services: [], workloads: [], includes: [] }

/**
 * Reads one file of Istio documents and documents in the short form. What is good is given beside the problems of the
 * rest; the caller decides whether a file with problems counts.
 */
export function parseRegistryFile(
  text: string,
  name: string,
): { readonly content: RegistryFile; readonly problems: readonly ResourceProblem[] } {
  const { documents, problems } = readDocuments(text, name)
  const parts = documents.map(document =>
    isResourceDocument(document.value) ? readResource(document) : readNative(document),
  )
  return {
    content: {
      resources: parts.flatMap(part => part.content.resources),
      services: parts.flatMap(part => part.content.services),
      workloads: parts.flatMap(part => part.content.workloads),
      includes: parts.flatMap(part => part.content.includes),
    },
    problems: [...problems, ...parts.flatMap(part => part.problems)],
  }
}

interface Part {
  readonly content: RegistryFile
  readonly problems: readonly ResourceProblem[]
}

function readResource(document: SourceDocument): Part {
  const checked = parseResource(document)
  if (checked.kind === 'bad') return { content: emptyFile, problems: checked.problems }
  const resource = checked.value
  if (!registryKinds.has(resource.kind)) {
    const message = `${resource.kind} is no part of a registry, hand it to weft apply`
    return { content: emptyFile, problems: [problemIn(document, ['kind'], { message })] }
  }
  return { content: { ...emptyFile, resources: [declared(document, ['kind'], resource)] }, problems: [] }
}

function readNative(document: SourceDocument): Part {
  const checked = parseNative(document)
  if (checked.kind === 'bad') return { content: emptyFile, problems: checked.problems }
  const { services = [], workloads = [], include = [] } = checked.value
  return {
    content: {
      resources: [],
      services: services.map((service, index) => declared(document, ['services', index], service)),
      workloads: workloads.map((workload, index) => declared(document, ['workloads', index], workload)),
      includes: include.map((path, index) => declared(document, ['include', index], path)),
    },
    problems: [],
  }
}

function declared<T>(document: SourceDocument, path: (string | number)[], value: T): Declared<T> {
  const { line, column } = document.locate(path)
  return { place: `${document.file}:${line}:${column}`, value }
}
