import { isIP } from 'node:net'
import { z } from 'zod'
import { isConditionKey } from '../policy/condition-key.ts'
import { canonicalAddress } from '../std/ip-address.ts'
import { refuseUnimplemented } from './primitives.ts'

/** Values that rules of authorization compare with, after Istio's security.go and its CRD. */

/** Texts that must not be empty: as they are, or with a `*` at one end. */
export const texts = z.array(z.string().min(1))

/** Addresses and ranges in CIDR form. What is of one host only, a zone, and IPv4 in IPv6's clothes match nobody. */
export const ipBlocks = z.array(checkedBy(ipBlockProblem))

/** Ports of workloads, as decimal text; 0, which nothing listens on, is taken as in Istio. */
export const ports = z.array(checkedBy(portProblem))

/** `<namespace>/<service-account>`, or only the latter, of the policy's own namespace; as they are. */
export const serviceAccounts = z.array(checkedBy(serviceAccountProblem).max(320)).max(16)

/** Trust domains: as they are, or with a `*` at one end. */
export const trustDomains = z.array(checkedBy(trustDomainProblem).min(1))

/** Paths: exact, with a `*` at one end, or as a template of segments with `{*}` and `{**}`. */
export const paths = z.array(checkedBy(templateProblem).min(1))

/** Checks what a condition compares; adds issues at `values` or at the key. */
export function checkCondition(
  { key, values = [], notValues = [] }: Readonly<{ key: string; values?: Texts; notValues?: Texts }>,
  context: z.RefinementCtx,
): void {
  const say = (message: string, path: (string | number)[]) => context.addIssue({ code: 'custom', message, path })
  if (values.length === 0 && notValues.length === 0) say('has neither values nor notValues, it needs one of them', [])
  if (key.startsWith('experimental.envoy.filters.')) {
    return refuseUnimplemented(context, 'metadata of Envoy’s filters', ['key'])
  }
  if (!isConditionKey(key)) return say(`${key === '' ? 'it' : key} is no attribute of a connection or request`, ['key'])
  for (const [field, list] of Object.entries({ values, notValues })) {
    for (const [index, value] of list.entries()) {
      const message = value === '' ? 'is empty' : checked.get(key)?.(value)
      if (message !== undefined) say(message, [field, index])
    }
  }
}

type Texts = readonly string[] | undefined
type ProblemOf = (value: string) => string | undefined

const checked: ReadonlyMap<string, ProblemOf> = new Map([
  ['source.ip', ipBlockProblem],
  ['remote.ip', ipBlockProblem],
  ['destination.ip', ipBlockProblem],
  ['destination.port', portProblem],
  ['source.serviceAccount', serviceAccountProblem],
  ['source.trustDomain', trustDomainProblem],
])

function checkedBy(problemOf: ProblemOf) {
  return z.string().superRefine((text, context) => {
    const message = problemOf(text)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  })
}

function ipBlockProblem(text: string): string | undefined {
  const slash = text.indexOf('/')
  const network = slash === -1 ? text : text.slice(0, slash)
  const bits = slash === -1 ? '0' : text.slice(slash + 1)
  const family = isIP(network)
  if (family === 0 || !/^(?:0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > (family === 6 ? 128 : 32)) {
    return 'must be an address or a range such as 10.0.0.0/8'
  }
  if (network.includes('%')) return 'has a zone, which only its own host knows'
  return canonicalAddress(network) === undefined ? 'must be written as the IPv4 address that it is' : undefined
}

function portProblem(text: string): string | undefined {
  return /^\d+$/.test(text) && Number(text) <= 65535 ? undefined : 'must be a port from 0 to 65535, as text'
}

function serviceAccountProblem(text: string): string | undefined {
  if (text.includes('*')) return 'has a *, service accounts are compared as they are'
  const parts = text.split('/')
  return parts.length > 2 || parts.includes('')
    ? 'must be <namespace>/<service-account> or <service-account>'
    : undefined
}

function trustDomainProblem(text: string): string | undefined {
  return /^[^*]*\*?$|^\*[^*]*$/.test(text) ? undefined : 'may have a * at one end only'
}

/** A segment beside templates: unreserved characters, percent-encodings and some marks of RFC 3986. */
const literal = /^[-A-Za-z0-9._~%!$&'()+,;:@=]+$/

/** A path with a brace is a template as a whole. */
function templateProblem(text: string): string | undefined {
  if (!/[{}]/.test(text)) return undefined
  let rest = false
  for (const segment of text.replace(/^\//, '').split('/')) {
    const isTemplate = segment === '{*}' || segment === '{**}'
    if (rest && isTemplate) return 'has a template after {**}, which must be the last'
    if (segment === '{**}') rest = true
    if (segment === '') return 'has an empty segment beside templates'
    if (isTemplate || literal.test(segment)) continue
    return /[{}]/.test(segment)
      ? `has ${segment}: templates are {*} and {**}, each a whole segment`
      : `has ${segment}, which cannot stand beside templates`
  }
  return undefined
}
