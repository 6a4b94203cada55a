import type { AuthorizationSource } from '../../model/policy.ts'
import { type Attribute, type AttributeContext, remoteIp, sourceIp, textAttribute } from './attribute.ts'
import { inAllTrustDomains } from './principals.ts'
import { requestPrincipals } from './request-principals.ts'
import { createTextMatcher } from './text-matcher.ts'

type Positive<Field> = Field extends `not${string}` ? never : Field

/** The fields of `from[].source`, without those that begin with `not`. */
export type SourceField = Positive<keyof AuthorizationSource>

export function sourceAttributes(context: AttributeContext): Readonly<Record<SourceField, Attribute>> {
  return {
    principals: principal(context),
    requestPrincipals,
    namespaces: namespace,
    serviceAccounts: serviceAccount(context),
    trustDomains: trustDomain,
    ipBlocks: sourceIp,
    remoteIpBlocks: remoteIp,
  }
}

export function principal({ trust, principalText }: AttributeContext): Attribute {
  return textAttribute(
    ({ peer }) => (peer === undefined ? undefined : principalText(peer)),
    values => createTextMatcher(inAllTrustDomains(values, trust)),
  )
}

export const namespace = textAttribute(({ peer }) => peer?.namespace, createTextMatcher)

export const trustDomain = textAttribute(({ peer }) => peer?.trustDomain, createTextMatcher)

/** `<namespace>/<name>`, or a name of the policy's own namespace; without wildcards. */
export function serviceAccount(context: AttributeContext): Attribute {
  return {
    isHttp: false,
    seen: ({ peer }) => (peer === undefined ? undefined : `${peer.namespace}/${peer.serviceAccount}`),
    compile(values) {
      const accounts = new Map<string, Set<string>>()
      for (const value of values) {
        const account = parseServiceAccount(value, context.namespace)
        if (account === undefined) return undefined
        const names = accounts.get(account.namespace)
        if (names === undefined) accounts.set(account.namespace, new Set([account.name]))
        else names.add(account.name)
      }
      return ({ peer }) => peer !== undefined && accounts.get(peer.namespace)?.has(peer.serviceAccount) === true
    },
  }
}

/** Reads a service account of a policy; undefined for what is none. */
export function parseServiceAccount(
  text: string,
  namespace: string,
): { readonly namespace: string; readonly name: string } | undefined {
  const parts = text.split('/')
  const [name = ''] = parts.slice(-1)
  const [own = ''] = parts.length === 1 ? [namespace] : parts
  return parts.length > 2 || name === '' || own === '' || text.includes('*') ? undefined : { namespace: own, name }
}
