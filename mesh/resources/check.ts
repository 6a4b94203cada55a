import type { z } from 'zod'
import { didYouMean } from '../std/did-you-mean.ts'
import type { SourceDocument } from './document.ts'
import { formatPath, type ProblemReason, type ResourceProblem } from './problem.ts'
import { keysAt } from './schema-keys.ts'

type Issue = z.core.$ZodIssue
type Path = (string | number)[]

/** A document that fits its schema, or all that is wrong with it. */
export type Checked<T> =
  | { readonly kind: 'good'; readonly value: T }
  | { readonly kind: 'bad'; readonly problems: readonly ResourceProblem[] }

/** Checks a document against a schema; problems are told at their place in the file and in our words. */
export function checkDocument<T>(document: SourceDocument, schema: z.ZodType<T>): Checked<T> {
  const result = schema.safeParse(document.value)
  if (result.success) return { kind: 'good', value: result.data }
  return { kind: 'bad', problems: result.error.issues.flatMap(issue => problemsOf(issue, [], document, schema)) }
}

/** A problem of a document at a path. */
export function problemIn(
  document: SourceDocument,
  path: Path,
  said: { reason?: ProblemReason; message: string; at?: 'key' | 'value'; suggestion?: string | undefined },
): ResourceProblem {
  return {
    reason: said.reason ?? 'invalid',
    file: document.file,
    ...document.locate(path, said.at ?? 'value'),
    path: formatPath(path),
    message: said.message,
    ...(said.suggestion === undefined ? {} : { didYouMean: said.suggestion }),
  }
}

function problemsOf(issue: Issue, base: Path, document: SourceDocument, schema: z.ZodType): ResourceProblem[] {
  const path = [...base, ...issue.path.map(step => (typeof step === 'symbol' ? step.toString() : step))]
  const value = valueAt(document.value, path)
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = keysAt(schema, path)
      return issue.keys.map(key => {
        const suggestion = didYouMean(key, known)
        return problemIn(document, [...path, key], {
          reason: 'unknown',
          message: 'is not a field',
          at: 'key',
          suggestion,
        })
      })
    }
    case 'invalid_type':
      return [problemIn(document, path, { message: typeMessage(issue.expected, value) })]
    case 'invalid_value': {
      const message = value === undefined ? 'is required' : `must be ${oneOf(issue.values.map(String))}`
      const suggestion = typeof value === 'string' ? didYouMean(value, issue.values.map(String)) : undefined
      return [problemIn(document, path, { message, suggestion })]
    }
    case 'too_small':
      return [
        problemIn(document, path, {
          message: `must ${sizeVerb(issue.origin)} at least ${issue.minimum}${unit(issue.origin)}`,
        }),
      ]
    case 'too_big':
      return [
        problemIn(document, path, {
          message: `must ${sizeVerb(issue.origin)} at most ${issue.maximum}${unit(issue.origin)}`,
        }),
      ]
    case 'invalid_key':
      return issue.issues.slice(0, 1).map(inner => problemIn(document, path, { message: inner.message, at: 'key' }))
    case 'invalid_union': {
      // the branch that fits the value's type is the one that was meant
      const meant = issue.errors.filter(
        issues => !issues.some(at => at.path.length === 0 && at.code === 'invalid_type'),
      )
      const [only] = meant
      if (meant.length !== 1 || only === undefined) return [problemIn(document, path, { message: issue.message })]
      return only.flatMap(inner => problemsOf(inner, path, document, schema))
    }
    case 'custom':
      return [problemIn(document, path, { message: issue.message, ...said(issue.params) })]
    default:
      return [problemIn(document, path, { message: issue.message })]
  }
}

function said(params: { readonly reason?: unknown; readonly at?: unknown; readonly suggestion?: unknown } = {}) {
  const reason: ProblemReason =
    params.reason === 'unimplemented' || params.reason === 'unknown' ? params.reason : 'invalid'
  return {
    reason,
    at: params.at === 'key' ? ('key' as const) : ('value' as const),
    suggestion: typeof params.suggestion === 'string' ? params.suggestion : undefined,
  }
}

function typeMessage(expected: string, value: unknown): string {
  if (value === undefined) return 'is required'
  const words: Record<string, string> = {
    int: 'a whole number',
    object: 'a mapping',
    record: 'a mapping',
    array: 'a list',
    string: 'text',
    boolean: 'true or false',
    number: 'a number',
  }
  const quote = expected === 'string' && typeof value === 'number' ? ', put it in quotes' : ''
  return `must be ${words[expected] ?? expected}, not ${typeWord(value)}${quote}`
}

function typeWord(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (typeof value === 'string') return 'text'
  return String(value)
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? `${values[0]}` : `one of ${values.join(', ')}`
}

function sizeVerb(origin: string): string {
  return origin === 'array' || origin === 'string' ? 'have' : 'be'
}

function unit(origin: string): string {
  if (origin === 'string') return ' characters'
  return origin === 'array' ? ' entries' : ''
}

function valueAt(root: unknown, path: Path): unknown {
  let at = root
  for (const step of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined
    at = Reflect.get(at, step)
  }
  return at
}
