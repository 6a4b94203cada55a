import { isIP } from 'node:net'
import { z } from 'zod'

/** Names in traffic resources: hosts, gateways, subsets and namespaces, after Istio's validation.go. */

const label = '[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?'
const wholeLabel = new RegExp(`^${label}$`)
const wildcardLabel = new RegExp(`^(?:\\*|\\*-?${label}|${label})$`)
const maxName = 255

/** True for labels joined by dots, a last dot allowed, of which the last is not a number. */
export function isFqdn(text: string): boolean {
  if (text === '' || text.length > maxName) return false
  const labels = text.split('.')
  const last = labels.at(-1) ?? ''
  if (/^\d+$/.test(last)) return false
  return labels.every((one, index) => (one === '' ? index > 0 && index === labels.length - 1 : wholeLabel.test(one)))
}

/** True for a name whose first label may be, or begin with, a `*`; a single label may be a number. */
export function isWildcardDomain(text: string): boolean {
  if (text === '' || text.length > maxName) return false
  const dot = text.indexOf('.')
  const first = dot === -1 ? text : text.slice(0, dot)
  if (first.length > 63 || !wildcardLabel.test(first)) return false
  const rest = dot === -1 ? undefined : text.slice(dot + 1)
  return rest === undefined || rest === '' || isFqdn(rest)
}

/** True for every address Istio takes for one, with a zone too. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0
}

/** A host that a DestinationRule or a route is for. */
export const destinationHost = z
  .string()
  .refine(text => isWildcardDomain(text), 'must be a DNS name, whose first label may begin with *')

/** True for one DNS label, in any case, as Istio takes it. */
export function isLabel(text: string): boolean {
  return wholeLabel.test(text)
}

/** A namespace, a subset or the like. */
export const anyLabel = z.string().refine(isLabel, 'must be 1 to 63 letters, digits and dashes')

/** Names of gateways, `<namespace>/<name>` or `mesh`. What follows a name without a namespace is not looked at, as in Istio. */
export const gatewayNames = z.array(z.string()).superRefine((names, context) => {
  for (const [index, name] of names.entries()) {
    const slash = name.indexOf('/')
    const fine =
      slash === -1 ? isFqdn(name) : wholeLabel.test(name.slice(0, slash)) && wholeLabel.test(name.slice(slash + 1))
    if (!fine) context.addIssue({ code: 'custom', message: 'must be mesh or <namespace>/<name>', path: [index] })
    if (slash === -1) return
  }
})

/**
 * Namespaces that a rule is for. `own` is the namespace of the resource, which is not to be named beside `.`; a rule
 * with a selector holds in its own namespace only.
 */
export function checkExportTo(
  names: readonly string[] | undefined,
  own: string,
  context: z.RefinementCtx,
  hasSelector = false,
): void {
  const say = (message: string, index?: number) => {
    const path = ['spec', 'exportTo', ...(index === undefined ? [] : [index])]
    context.addIssue({ code: 'custom', message, path })
  }
  const list = names ?? []
  const seen = new Set<string>()
  for (const [index, name] of list.entries()) {
    const meant = name === own ? '.' : name
    if (seen.has(meant)) say(`names ${name} twice`, index)
    seen.add(meant)
    if (name === '~') say('~ is nobody, a rule for nobody is none', index)
    else if (name !== '.' && name !== '*' && !wholeLabel.test(name)) {
      say(`${name} is neither a namespace nor one of . *`, index)
    }
  }
  if (seen.has('*') && list.length > 1) say('names all (*) and others beside it')
  if (hasSelector && [...seen].some(name => name !== '.')) {
    say('must be . alone: a rule with a workloadSelector is for its own namespace')
  }
}
