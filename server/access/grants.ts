import { MeshError } from '../../mesh/std/errors.ts'

export const roles = ['admin', 'operator', 'auditor'] as const
export type Role = (typeof roles)[number]

/** A role, in one namespace or, without one, in the whole mesh. */
export interface Grant {
  readonly role: Role
  readonly namespace?: string
}

/** What the API guards. */
export type Guarded =
  | 'resources'
  | 'services'
  | 'status'
  | 'registries'
  | 'join-tokens'
  | 'identities'
  | 'authority'
  | 'api-tokens'
  | 'audit'

/** What a request is about to do; without a namespace it concerns the whole mesh. */
export interface Need {
  readonly verb: 'read' | 'write'
  readonly of: Guarded
  readonly namespace?: string
}

/** What only some may read; everything else every role may. */
const readers: Partial<Record<Guarded, readonly Role[]>> = {
  'api-tokens': ['admin', 'auditor'],
  audit: ['admin', 'auditor'],
}

/** Who may write what; what is not listed nobody but an admin. */
const writers: Partial<Record<Guarded, readonly Role[]>> = {
  resources: ['admin', 'operator'],
  services: ['admin', 'operator'],
  registries: ['admin', 'operator'],
  'join-tokens': ['admin', 'operator'],
  identities: ['admin', 'operator'],
}

/** True when one of the grants covers the need: a role for it, in its namespace or in the whole mesh. */
export function permits(grants: readonly Grant[], need: Need): boolean {
  const suitable = rolesFor(need)
  return grants.some(
    ({ role, namespace }) =>
      suitable.includes(role) &&
      (namespace === undefined || (need.namespace !== undefined && namespace === need.namespace)),
  )
}

/** The least grant that would do, as `weft api-token create --role` takes it. */
export function leastGrant(need: Need): string {
  const order: readonly Role[] = ['auditor', 'operator', 'admin']
  const role = order.find(one => rolesFor(need).includes(one)) ?? 'admin'
  return formatGrant(need.namespace === undefined ? { role } : { role, namespace: need.namespace })
}

function rolesFor({ verb, of }: Need): readonly Role[] {
  return verb === 'read' ? (readers[of] ?? roles) : (writers[of] ?? ['admin'])
}

/** Reads `operator` or `operator:shop`; throws WEFT_USAGE. */
export function parseGrant(text: string): Grant {
  const [name, namespace, more] = text.split(':')
  const role = roles.find(one => one === name)
  const isNamespace = namespace === undefined || /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(namespace)
  if (role === undefined || !isNamespace || more !== undefined) {
    throw new MeshError('WEFT_USAGE', `${JSON.stringify(text.slice(0, 100))} is no role`, {
      next: `write one of ${roles.join(', ')}, or one of them for a namespace, such as operator:shop`,
    })
  }
  return namespace === undefined ? { role } : { role, namespace }
}

export function formatGrant({ role, namespace }: Grant): string {
  return namespace === undefined ? role : `${role}:${namespace}`
}
