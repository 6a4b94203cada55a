import { isField } from '../../routing/header-fields.ts'
import type { PolicyCall } from '../call.ts'
import {
  type Attribute,
  type AttributeContext,
  addressAttribute,
  destinationPort,
  remoteIp,
  sourceIp,
  textAttribute,
} from './attribute.ts'
import { requestPrincipals } from './request-principals.ts'
import { namespace, principal, serviceAccount, trustDomain } from './source-attributes.ts'
import { createTextMatcher, type TextMatcher } from './text-matcher.ts'
import { claimAt, claimMatches, claimPath, claimText, wordMatches } from './token-values.ts'

/**
 * The attribute that the key of a condition names (authorization_policy.proto, Condition); undefined for a key that is
 * none of those there are.
 */
export function conditionAttribute(key: string, context: AttributeContext): Attribute | undefined {
  if (key.startsWith(claimsKey)) return claimAttribute(claimPath(key.slice(claimsKey.length)))
  if (key.startsWith(headersKey) && key.endsWith(']')) return headerAttribute(key.slice(headersKey.length, -1))
  switch (key) {
    case 'source.ip':
      return sourceIp
    case 'remote.ip':
      return remoteIp
    case 'source.namespace':
      return namespace
    case 'source.serviceAccount':
      return serviceAccount(context)
    case 'source.trustDomain':
      return trustDomain
    case 'source.principal':
      return principal(context)
    case 'request.auth.principal':
      return requestPrincipals
    case 'request.auth.audiences':
      return claimAttribute(['aud'])
    case 'request.auth.presenter':
      return claimAttribute(['azp'])
    case 'destination.ip':
      return addressAttribute(call => call.destinationIp)
    case 'destination.port':
      return destinationPort
    case 'connection.sni':
      return textAttribute(call => call.sni, createTextMatcher)
    default:
      return undefined
  }
}

const claimsKey = 'request.auth.claims'
const headersKey = 'request.headers['
/** Claims that are lists in a text, as Istio takes them. */
const wordClaims = ['scope', 'permission']

function claimAttribute(path: readonly string[] | undefined): Attribute | undefined {
  if (path === undefined) return undefined
  const [first = ''] = path
  const matchesClaim = path.length === 1 && wordClaims.includes(first) ? wordMatches : claimMatches
  return {
    isHttp: true,
    seen: ({ request }) => claimText(claimAt(request?.token, path)),
    compile(values) {
      const matches = createTextMatcher(values)
      return ({ request }) => matchesClaim(claimAt(request?.token, path), matches)
    },
  }
}

/** Each value of a header is compared by itself; `*` is any value, an empty one too. */
function headerAttribute(header: string): Attribute | undefined {
  const name = header.toLowerCase()
  if (name === '') return undefined
  // what other headers say of the host is not what the request is sent to
  if (name === 'host' || name === ':authority') return textAttribute(call => call.request?.authority, textOrAny, true)
  if (name === ':method') return textAttribute(call => call.request?.method, textOrAny, true)
  if (name === ':path') return textAttribute(call => call.request?.path, textOrAny, true)
  return {
    isHttp: true,
    seen: call => valuesOf(call, name),
    compile(values) {
      const matches = textOrAny(values)
      return ({ request }) => {
        if (request === undefined) return false
        const { headers } = request
        for (let at = 0; at < headers.length; at += 2) {
          if (isField(headers[at], name) && matches(headers[at + 1] ?? '')) return true
        }
        return false
      }
    },
  }
}

function textOrAny(values: readonly string[]): TextMatcher {
  return values.includes('*') ? () => true : createTextMatcher(values)
}

function valuesOf({ request }: PolicyCall, name: string): string | undefined {
  const values = (request?.headers ?? []).filter((_, at, all) => at % 2 === 1 && isField(all[at - 1], name))
  return values.length === 0 ? undefined : values.join(', ')
}
