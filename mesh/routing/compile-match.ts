import type { HttpMatchSpec, StringMatch } from '../model/traffic.ts'
import { compilePattern } from '../std/linear-pattern.ts'
import { octetsOf } from '../std/octets.ts'
import type { CompileContext } from './context.ts'
import type { Condition, ValueTest } from './matching.ts'

const anything: ValueTest = { kind: 'present', text: '', ignoreCase: false, pattern: undefined }

/** Names that stand for parts of the request beside its headers: Istio has fields of their own for them. */
const notHeaders = new Set(['uri', 'scheme', 'method', 'authority'])
const pseudoHeaders: ReadonlyMap<string, Condition['of']> = new Map([
  [':path', 'path'],
  [':method', 'method'],
  [':scheme', 'scheme'],
  [':authority', 'authority'],
  ['host', 'authority'],
])

/**
 * Whether the match can ever hold for the client, the port and the gateway (networking.istio.io/v1: `port`,
 * `sourceLabels`, `sourceNamespace`, `gateways`). What is left of it is asked of every request.
 */
export function isForClient(match: HttpMatchSpec, { client, port, gateway }: CompileContext): boolean {
  if (match.port !== undefined && match.port !== 0 && match.port !== port) return false
  if (match.gateways !== undefined && match.gateways.length > 0 && !match.gateways.includes(gateway)) return false
  if (match.sourceNamespace !== undefined && match.sourceNamespace !== '') {
    if (match.sourceNamespace !== client.namespace) return false
  }
  return Object.entries(match.sourceLabels ?? {}).every(([name, value]) => client.labels[name] === value)
}

/** What must hold of a request, cheapest first. */
export function compileMatch(match: HttpMatchSpec): readonly Condition[] {
  const ignoreCase = match.ignoreUriCase ?? false
  return [
    ...ofRequest('path', match.uri, ignoreCase),
    ...ofRequest('method', match.method, false),
    ...ofRequest('scheme', match.scheme, false),
    ...ofRequest('authority', match.authority, false),
    ...Object.entries(match.headers ?? {}).flatMap(([name, test]) => ofHeader(name, test, false)),
    ...Object.entries(match.withoutHeaders ?? {}).flatMap(([name, test]) => ofHeader(name, test, true)),
    ...Object.entries(match.queryParams ?? {}).map(
      ([name, test]): Condition => ({ of: 'query', name: octetsOf(name), not: false, test: valueTest(test, false) }),
    ),
  ]
}

function ofRequest(of: Condition['of'], match: StringMatch | undefined, ignoreCase: boolean): readonly Condition[] {
  if (match === undefined) return []
  const test = valueTest(match, ignoreCase)
  return test.kind === 'present' ? [] : [{ of, name: '', not: false, test }]
}

function ofHeader(name: string, match: StringMatch, not: boolean): readonly Condition[] {
  const field = name.toLowerCase()
  if (notHeaders.has(field)) return []
  const of = pseudoHeaders.get(field) ?? 'header'
  // `*` is no expression; validation lets it pass where it can only mean presence
  const test = match.regex === '*' ? anything : valueTest(match, false)
  return [{ of, name: field, not, test }]
}

/** Prepares a StringMatch; one that says nothing asks for presence. */
export function valueTest(match: StringMatch, ignoreCase: boolean): ValueTest {
  const { exact, prefix, regex, pathPrefix } = match
  if (exact !== undefined) return textTest('exact', exact, ignoreCase)
  if (prefix !== undefined) return textTest('prefix', prefix, ignoreCase)
  if (pathPrefix !== undefined) return textTest('segments', pathPrefix, ignoreCase)
  if (regex !== undefined) return { kind: 'regex', text: '', ignoreCase: false, pattern: compilePattern(regex) }
  return anything
}

function textTest(kind: ValueTest['kind'], text: string, ignoreCase: boolean): ValueTest {
  const octets = octetsOf(text)
  return { kind, text: ignoreCase ? lowerAscii(octets) : octets, ignoreCase, pattern: undefined }
}

function lowerAscii(octets: string): string {
  return octets.replace(/[A-Z]+/g, letters => letters.toLowerCase())
}
