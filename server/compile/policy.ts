import { isDeepStrictEqual } from 'node:util'
import { resourceName } from '../../mesh/model/agent-config.ts'
import type { JwtRule } from '../../mesh/model/policy.ts'
import type { PolicyResource } from '../../mesh/model/policy-resource.ts'
import { isDryRun } from '../../mesh/resources/annotations.ts'
import type { AuthorizationPolicy } from '../../mesh/resources/authorization-policy.ts'
import { publicJwks } from '../../mesh/resources/jwks.ts'
import type { RequestAuthentication } from '../../mesh/resources/request-authentication.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import { type Table, tableOf } from '../../mesh/std/table.ts'
import type { KeysOf } from './settings.ts'

type Written = AuthorizationPolicy | RequestAuthentication

interface Seen {
  readonly resources: readonly Resource[]
  readonly keysOf: KeysOf
  readonly compiled: ReadonlyMap<Written, PolicyResource>
}

/**
 * Compiles policies, the same for all agents that get them: with the public keys of every issuer, and nothing that is
 * secret. The function returned is called whenever a resource or a key has changed; the table is by resource name and
 * keeps the objects of what is the same as before.
 */
export function createPolicyCompiler(): (resources: readonly Resource[], keysOf: KeysOf) => Table<PolicyResource> {
  let seen: Seen | undefined
  let table: Table<PolicyResource> = tableOf()

  const compile = (written: Written, keysOf: KeysOf): PolicyResource => {
    const known = seen?.compiled.get(written)
    if (known !== undefined && (written.kind === 'AuthorizationPolicy' || seen?.keysOf === keysOf)) return known
    const fresh = compilePolicy(written, keysOf)
    const before = table.get(resourceName(fresh))
    return before !== undefined && isDeepStrictEqual(before, fresh) ? before : fresh
  }

  return (resources, keysOf) => {
    if (seen?.resources === resources && seen.keysOf === keysOf) return table
    const compiled = new Map(resources.filter(isPolicy).map(one => [one, compile(one, keysOf)] as const))
    const wanted = new Map([...compiled.values()].map(one => [resourceName(one), one] as const))
    const gone = [...table.keys()].filter(name => !wanted.has(name))
    const changed = [...wanted].filter(([name, one]) => table.get(name) !== one)
    table = table.with([...gone.map(name => [name, undefined] as const), ...changed])
    seen = { resources, keysOf, compiled }
    return table
  }
}

function isPolicy(resource: Resource): resource is Written {
  return resource.kind === 'AuthorizationPolicy' || resource.kind === 'RequestAuthentication'
}

function compilePolicy(written: Written, keysOf: KeysOf): PolicyResource {
  const { namespace, name, creationTimestamp } = written.metadata
  const createdAt = Date.parse(creationTimestamp ?? '') || 0
  const common = { kind: 'policy', namespace, name, createdAt, dryRun: isDryRun(written.metadata) } as const
  if (written.kind === 'AuthorizationPolicy') return { ...common, resource: written.kind, spec: written.spec }
  const { jwtRules, ...scope } = written.spec
  const spec = jwtRules === undefined ? scope : { ...scope, jwtRules: jwtRules.map(rule => withKeys(rule, keysOf)) }
  return { ...common, resource: written.kind, spec }
}

/** A rule without keys refuses every token: an agent fetches nothing. */
function withKeys(
  { presence: _always, jwks = '', ...rule }: JwtRule & { readonly presence?: unknown },
  keysOf: KeysOf,
): JwtRule {
  const { jwksUri, issuer = '' } = rule
  const set = jwks !== '' ? jwks : jwksUri === undefined ? keysOf(issuer, 'issuer') : keysOf(jwksUri, 'jwks')
  return { ...rule, jwks: publicJwks(set ?? '') }
}
