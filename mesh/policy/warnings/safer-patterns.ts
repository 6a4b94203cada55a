import type { AuthorizationPolicySpec } from '../../model/policy.ts'
import type { PolicyWarning } from '../policy-warnings.ts'
import type { RuleField } from './rule-fields.ts'

/**
 * What lets through all that is written in a way nobody has thought of: a DENY of paths or hosts, or an ALLOW of all but
 * some paths.
 */
export function saferPatterns(
  action: NonNullable<AuthorizationPolicySpec['action']>,
  fields: readonly RuleField[],
): readonly PolicyWarning[] {
  return fields.flatMap(({ path, name, values, isNegated }) => {
    const message = messageFor(action, name, values, isNegated)
    return message === undefined ? [] : [{ path, message }]
  })
}

function messageFor(action: string, name: string, values: readonly string[], isNegated: boolean): string | undefined {
  if (name === 'paths' && values.includes('*')) return undefined
  if (action === 'DENY' && name === 'paths' && !isNegated) {
    return 'denies paths by name: others that a backend takes for the same pass; ALLOW those that are meant, or DENY notPaths'
  }
  if (action === 'ALLOW' && name === 'paths' && isNegated) {
    return 'allows all paths but some: others that a backend takes for the same pass; ALLOW those that are meant'
  }
  if (action !== 'DENY' || name !== 'hosts' || isNegated) return undefined
  const bare = values.find(
    value => !/[*:]/.test(value) && !values.includes(`${value}:*`) && !values.includes(`${value}*`),
  )
  return bare === undefined ? undefined : `does not deny requests that name a port, as ${bare}:80; add ${bare}:*`
}
