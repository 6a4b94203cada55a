import type { PolicyScope, UnreadablePolicy } from '../model/policy.ts'
import { isPolicy } from './delta.ts'
import { Fields } from './fields.ts'
import { policyScope } from './policy-shape.ts'
import { schema } from './schema.ts'
import { rawSpec } from './spec-json.ts'

/** All that a spec may say without a word about whom it is for. */
const otherFields: ReadonlySet<string> = new Set(['action', 'rules', 'jwtRules'])
const scopeFields: ReadonlySet<string> = new Set(['selector', 'targetRef', 'targetRefs'])

/**
 * What can be told of a policy that this version cannot read, by its name and as much of its body as is understood. A body
 * that is not what was sent is not given. Undefined for what is no policy, and for a dry run, which never has an effect.
 */
export function unreadablePolicy(name: string, body: Buffer | undefined): UnreadablePolicy | undefined {
  if (!isPolicy(name)) return undefined
  const { isDryRun, spec } = body === undefined ? unknown : understood(name, body)
  if (isDryRun) return undefined
  const [, resource, namespace, own, ...more] = name.split('/')
  const isOfPolicy = namespace !== undefined && namespace !== '' && own !== undefined && more.length === 0
  const title = isOfPolicy ? `${resource} ${namespace}/${own}` : name
  return Object.freeze({ kind: 'unreadable-policy', title, namespace: isOfPolicy ? namespace : undefined, spec })
}

const unknown = { isDryRun: false, spec: {} } as const

function understood(name: string, body: Buffer): { readonly isDryRun: boolean; readonly spec: PolicyScope } {
  try {
    const fields = new Fields(schema().agentResource.decode(body), name).message('policy')
    const isNamed = name.endsWith(`/${fields.name('namespace')}/${fields.name('name')}`)
    return isNamed ? { isDryRun: fields.flag('dryRun'), spec: scopeOf(fields) } : unknown
  } catch {
    return unknown
  }
}

/** Nothing unless it is certain: a field that is not known might be for fewer workloads, or for others. */
function scopeOf(fields: Fields): PolicyScope {
  try {
    const path = `${fields.path}.spec`
    const all = Object.entries(rawSpec(fields))
    if (!all.every(([key]) => scopeFields.has(key) || otherFields.has(key))) return {}
    const scope: unknown = Object.fromEntries(all.filter(([key]) => scopeFields.has(key)))
    return policyScope(scope, path) ? scope : {}
  } catch {
    return {}
  }
}
