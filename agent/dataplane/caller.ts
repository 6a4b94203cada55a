import type { Socket } from 'node:net'
import { callerCgroup } from '../intercept/caller-cgroup.ts'
import { plainAddress } from './address.ts'

/**
 * Who opened a connection that no caller rule matched: the identity of the narrowest declared cgroup that its socket
 * was made in or below. This makes the first connection of a service right that was restarted a moment ago, when its
 * rule still names the cgroup of its last life.
 */
export async function callerOf(socket: Socket, byCgroup: ReadonlyMap<string, string>): Promise<string | undefined> {
  const { remoteAddress, remotePort } = socket
  if (remoteAddress === undefined || remotePort === undefined) return undefined
  const path = await callerCgroup(plainAddress(remoteAddress), remotePort)
  return path === undefined ? undefined : identityOfCgroup(path, byCgroup)
}

/** The identity of the narrowest of the cgroups that is the path or above it. */
export function identityOfCgroup(path: string, byCgroup: ReadonlyMap<string, string>): string | undefined {
  for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
    const identity = byCgroup.get(at)
    if (identity !== undefined) return identity
  }
  return undefined
}
