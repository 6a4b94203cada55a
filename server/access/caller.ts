import { MeshError } from '../../mesh/std/errors.ts'
import { formatGrant, type Grant, leastGrant, type Need, permits } from './grants.ts'

/** Who has sent a request, proven. */
export interface Caller {
  /** As the audit log names them: `token ci`, `anonymous`. */
  readonly name: string
  readonly grants: readonly Grant[]
}

/** Of requests that need no token. */
export const anonymous: Caller = Object.freeze({ name: 'anonymous', grants: [] })

/** Throws WEFT_FORBIDDEN naming the role that is missing. */
export function demand({ grants }: Caller, need: Need): void {
  if (permits(grants, need)) return
  const missing = leastGrant(need)
  throw new MeshError('WEFT_FORBIDDEN', `the role ${missing} is missing to ${need.verb} ${need.of}`, {
    fields: { missing, has: grants.map(formatGrant) },
    next: `ask an admin for it: weft api-token create --role ${missing}`,
  })
}
