import type { PolicySurroundings, PolicyWarning } from '../policy-warnings.ts'
import { meaninglessValue } from './meaningless-values.ts'
import type { RuleField } from './rule-fields.ts'

/** What no call can have, or all calls have: values that mean nothing, and fields that exclude each other. */
export function neverMatching(
  fields: readonly RuleField[],
  surroundings: PolicySurroundings,
): readonly PolicyWarning[] {
  return fields.flatMap(field => [
    ...withoutIdentity(field, surroundings),
    ...excluded(field, fields),
    ...field.values.flatMap((value, at) => {
      const message = meaninglessValue(field.name, value, surroundings)
      return message === undefined ? [] : [{ path: [...field.path, at], message: `${value} ${message}` }]
    }),
  ])
}

/** What only a certificate tells. */
const identityFields = new Set(['principals', 'namespaces', 'serviceAccounts', 'trustDomains', 'connection.sni'])

function withoutIdentity(
  { path, name, isNegated }: RuleField,
  { isPlaintextOnly }: PolicySurroundings,
): readonly PolicyWarning[] {
  if (!isPlaintextOnly || !identityFields.has(name)) return []
  const what = 'is of mutual TLS, and these workloads are reached in plaintext only'
  return [{ path, message: isNegated ? `${what}: it holds for every caller` : `${what}: the rule never matches` }]
}

function excluded(field: RuleField, fields: readonly RuleField[]): readonly PolicyWarning[] {
  if (field.isNegated || field.name.endsWith('Blocks') || field.name.endsWith('.ip')) return []
  const other = fields.find(
    ({ isNegated, name, group }) => isNegated && name === field.name && isSame(group, field.group),
  )
  if (other === undefined) return []
  const isExcluded = (value: string) => other.values.some(pattern => covers(pattern, value))
  if (!field.values.every(isExcluded)) return []
  return [
    { path: field.path, message: `is excluded as a whole by ${String(other.path.at(-1))}: the rule never matches` },
  ]
}

/** Whether everything that one pattern matches is matched by the other. */
function covers(wide: string, narrow: string): boolean {
  if (wide === narrow || wide === '*') return true
  if (wide.startsWith('*')) return narrow.endsWith(wide.slice(1)) && (narrow.startsWith('*') || !narrow.endsWith('*'))
  return wide.endsWith('*') && narrow.startsWith(wide.slice(0, -1)) && !narrow.startsWith('*')
}

function isSame(one: RuleField['group'], other: RuleField['group']): boolean {
  return one.length === other.length && one.every((part, at) => part === other[at])
}
