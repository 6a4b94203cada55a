import type { Socket } from 'node:net'
import type { LocalWorkloadResource } from '../../mesh/model/agent-config.ts'
import { callerProcess, userName } from '../intercept/caller-process.ts'
import { plainAddress } from './address.ts'
import { identityOfCgroup } from './caller.ts'

/** Which processes of this host are callers of which identity. What two identities claim is nobody's: an empty one. */
export interface CallerClaims {
  readonly byCgroup: ReadonlyMap<string, string>
  /** `uid 1000` and `user shop`. */
  readonly byUser: ReadonlyMap<string, string>
}

export function callerClaims(workloads: readonly LocalWorkloadResource[]): CallerClaims {
  const byCgroup = new Map<string, string>()
  const byUser = new Map<string, string>()
  for (const { identity = '', callers } of workloads) {
    for (const caller of callers) {
      if (caller.kind === 'cgroup') claim(byCgroup, caller.path, identity)
      else claim(byUser, caller.kind === 'uid' ? `uid ${caller.uid}` : `user ${caller.user}`, identity)
    }
  }
  return { byCgroup, byUser }
}

function claim(claims: Map<string, string>, key: string, identity: string): void {
  const other = claims.get(key)
  claims.set(key, other === undefined || other === identity ? identity : '')
}

/**
 * The identity of whoever opened a connection that was not intercepted: of the narrowest declared cgroup that its socket
 * was made in or below, else of its user. Undefined when there is none, more than one, or the kernel cannot say.
 */
export async function claimedBy(socket: Socket, claims: CallerClaims): Promise<string | undefined> {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined || remotePort === undefined) return undefined
  const caller = await callerProcess(plainAddress(remoteAddress), remotePort)
  if (caller === undefined) return undefined
  const ofCgroup = identityOfCgroup(caller.cgroup, claims.byCgroup)
  if (ofCgroup !== undefined) return ofCgroup || undefined
  const { byUser } = claims
  const found = [byUser.get(`uid ${caller.uid}`)]
  if ([...byUser.keys()].some(key => key.startsWith('user '))) {
    found.push(byUser.get(`user ${(await userName(caller.uid)) ?? ''}`))
  }
  const [identity, other] = new Set(found.filter(one => one !== undefined))
  return other === undefined ? identity || undefined : undefined
}
