import { problemIn } from '../resources/check.ts'
import type { SourceDocument } from '../resources/document.ts'
import { formatPath } from '../resources/problem.ts'
import { describeResource } from '../resources/resource.ts'
import type { Finding, FindingCode } from './finding.ts'

/** A finding as the API and `-o json` show it. */
export interface FindingView {
  readonly severity: 'error' | 'warning'
  readonly code: FindingCode
  /** `<kind> <namespace>/<name>` */
  readonly resource: string
  readonly other?: string
  /** Way to the field, as `spec.hosts[0]`. */
  readonly path: string
  readonly message: string
  readonly didYouMean?: string
}

/** With its place in a file; line and column from 1. */
export interface PlacedFinding extends FindingView {
  readonly file: string
  readonly line: number
  readonly column: number
}

export function viewOf({ severity, code, resource, other, path, message, suggestion }: Finding): FindingView {
  return {
    severity,
    code,
    resource: describeResource(resource),
    ...(other === undefined ? {} : { other: describeResource(other) }),
    path: formatPath(path),
    message,
    ...(suggestion === undefined ? {} : { didYouMean: suggestion }),
  }
}

/** The finding at its place in the document that its resource stands in. */
export function placedView(finding: Finding, source: SourceDocument): PlacedFinding {
  const { path, message, at } = finding
  const { file, line, column } = problemIn(source, [...path], { message, ...(at === undefined ? {} : { at }) })
  return { ...viewOf(finding), file, line, column }
}

/** `<file>:<line>:<column>: warning: <path>: <message>`, as compilers write it; without a file, after the resource. */
export function formatFinding(finding: FindingView | PlacedFinding): string {
  const where = 'file' in finding ? `${finding.file}:${finding.line}:${finding.column}` : finding.resource
  const hint = finding.didYouMean === undefined ? '' : `, did you mean ${finding.didYouMean}?`
  return `${where}: ${finding.severity}: ${finding.path}: ${finding.message}${hint}`
}
