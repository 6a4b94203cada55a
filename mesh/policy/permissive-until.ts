import { permissiveUntil } from '../resources/annotations.ts'
import type { Resource } from '../resources/resource.ts'
import { policyName } from './peer-authentication.ts'

/** A PeerAuthentication that permits plaintext for a time (`weft.dev/permissive-until`). */
export interface PermissiveUntil {
  /** `<namespace>/<name>` */
  readonly policy: string
  /** From then on its PERMISSIVE counts as STRICT; milliseconds since 1970. */
  readonly until: number
  readonly isOver: boolean
}

/** All of them, the soonest first. */
export function permissiveFor(resources: readonly Resource[], now: number): readonly PermissiveUntil[] {
  return resources
    .flatMap((resource): readonly PermissiveUntil[] => {
      if (resource.kind !== 'PeerAuthentication') return []
      const until = permissiveUntil(resource.metadata)
      return until === undefined ? [] : [{ policy: policyName(resource), until, isOver: until <= now }]
    })
    .toSorted((a, b) => a.until - b.until)
}
