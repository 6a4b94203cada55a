import type { AuthorizationPolicySpec } from '../model/policy.ts'
import { isDryRun } from '../resources/annotations.ts'
import type { AuthorizationPolicy } from '../resources/authorization-policy.ts'
import { isHeaderName } from '../resources/header-operations.ts'
import { parseJwks } from '../resources/jwks.ts'
import type { RequestAuthentication } from '../resources/request-authentication.ts'
import type { Finding } from './finding.ts'

/** Finds RequestAuthentications that nothing asks for a token, keys that are secret, and places where no token can be. */
export function tokenFindings(
  policies: readonly (AuthorizationPolicy | RequestAuthentication)[],
  rootNamespace: string,
): Finding[] {
  const asking = policies
    .filter(one => one.kind === 'AuthorizationPolicy')
    .filter(({ metadata, spec }) => !isDryRun(metadata) && asksForTokens(spec))
  const askedIn = new Set(asking.map(({ metadata }) => metadata.namespace))
  return policies.flatMap(policy => {
    if (policy.kind !== 'RequestAuthentication') return []
    return [...absentTokens(policy, askedIn, rootNamespace), ...jwtRules(policy)]
  })
}

/** Whether something in it can only hold, or is only denied, with a token. */
function asksForTokens({ rules = [] }: AuthorizationPolicySpec): boolean {
  return rules.some(({ from = [], when = [] }) => {
    const sources = from.some(({ source }) => {
      return [...(source.requestPrincipals ?? []), ...(source.notRequestPrincipals ?? [])].length > 0
    })
    return sources || when.some(({ key }) => key.startsWith('request.auth.'))
  })
}

/** One of the root namespace may be asked for from anywhere. */
function absentTokens(
  policy: RequestAuthentication,
  askedIn: ReadonlySet<string>,
  rootNamespace: string,
): readonly Finding[] {
  const { namespace } = policy.metadata
  const isAsked = namespace === rootNamespace ? askedIn.size > 0 : askedIn.has(namespace) || askedIn.has(rootNamespace)
  if (isAsked || (policy.spec.jwtRules ?? []).length === 0) return []
  const message = 'lets requests without a token in: no AuthorizationPolicy asks for requestPrincipals'
  return [
    { severity: 'warning', code: 'token-optional', resource: policy, path: ['spec', 'jwtRules'], message, at: 'key' },
  ]
}

function jwtRules(resource: RequestAuthentication): readonly Finding[] {
  return (resource.spec.jwtRules ?? []).flatMap(({ jwks = '', fromHeaders = [] }, index): readonly Finding[] => {
    const path = ['spec', 'jwtRules', index]
    const parsed = jwks === '' ? undefined : parseJwks(jwks)
    const secrets = parsed?.kind === 'good' ? parsed.secrets : 0
    const said = 'keys that are secret, which must not stand here: nothing but public keys is used'
    const secret: readonly Finding[] =
      secrets === 0
        ? []
        : [
            {
              severity: 'warning',
              code: 'secret-key',
              resource,
              path: [...path, 'jwks'],
              message: `has ${secrets} ${said}`,
            },
          ]
    const headers = fromHeaders.flatMap(({ name }, at): readonly Finding[] => {
      if (isHeaderName(name)) return []
      const message = 'has no effect: no header can have that name'
      return [{ severity: 'warning', code: 'no-effect', resource, path: [...path, 'fromHeaders', at, 'name'], message }]
    })
    return [...secret, ...headers]
  })
}
