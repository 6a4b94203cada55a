import type { AuthorizationRule } from '../../model/policy.ts'

export type Path = readonly (string | number)[]

/** One list of values in a rule. */
export interface RuleField {
  readonly path: Path
  /** What the values are of: a field of sources and operations, also for conditions that mean the same, else a key. */
  readonly name: string
  readonly values: readonly string[]
  readonly isNegated: boolean
  /** What must hold together: the path of the source, operation or condition. */
  readonly group: Path
}

/** All values of a rule, in the order in which they are written. */
export function fieldsOf({ from = [], to = [], when = [] }: AuthorizationRule, path: Path): readonly RuleField[] {
  return [
    ...from.flatMap(({ source }, at) => listsOf(Object.entries(source), [...path, 'from', at, 'source'])),
    ...to.flatMap(({ operation }, at) => listsOf(Object.entries(operation), [...path, 'to', at, 'operation'])),
    ...when.flatMap(({ key, values, notValues }, at) => {
      const name = sameAs.get(key) ?? key
      return listsOf(Object.entries({ values, notValues }), [...path, 'when', at]).map(field => ({ ...field, name }))
    }),
  ]
}

/** Whether only requests have it, and connections have not. */
export function isOfRequests({ name }: RuleField): boolean {
  return requestFields.has(name) || name.startsWith('request.')
}

const requestFields = new Set(['hosts', 'methods', 'paths', 'requestPrincipals'])

/** Conditions that are fields of a source or an operation as well. */
const sameAs: ReadonlyMap<string, string> = new Map([
  ['source.principal', 'principals'],
  ['source.namespace', 'namespaces'],
  ['source.serviceAccount', 'serviceAccounts'],
  ['source.trustDomain', 'trustDomains'],
  ['source.ip', 'ipBlocks'],
  ['remote.ip', 'remoteIpBlocks'],
  ['request.auth.principal', 'requestPrincipals'],
  ['destination.port', 'ports'],
])

function listsOf(
  lists: readonly (readonly [string, readonly string[] | undefined])[],
  group: Path,
): readonly RuleField[] {
  return lists.flatMap(([key, values = []]) => {
    if (values.length === 0) return []
    const isNegated = /^not[A-Z]/.test(key)
    const name = isNegated ? `${key.charAt(3).toLowerCase()}${key.slice(4)}` : key
    return [{ path: [...group, key], name, values, isNegated, group }]
  })
}
