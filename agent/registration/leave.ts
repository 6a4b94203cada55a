import { type Clock, sleep } from '../../mesh/std/clock.ts'
import { reportEveryMs } from '../../mesh/wire/report-sender.ts'
import type { ServerLink } from '../control/server-link.ts'
import type { Registrations } from './registrations.ts'

export interface LeaveDeps {
  readonly clock: Clock
  readonly registrations: Registrations
  readonly link: Pick<ServerLink, 'status' | 'stop'>
  /** What the server says from now on is not to be applied. */
  freeze(): void
}

/** The server gathers changes for a second at most; another one is for the way to the other hosts. */
const propagationMs = 2_000

/**
 * Takes this host's registrations back before it drains, and gives the other hosts time to hear of it, at most
 * `limitMs`. Resolves to the milliseconds it took; at once when there is nothing to take back or no server to tell.
 */
export async function leaveMesh({ clock, registrations, link, freeze }: LeaveDeps, limitMs: number): Promise<number> {
  const told = registrations.reported.value.length > 0 && link.status.value.kind === 'connected'
  // The server takes this host's workloads away from it too; those who have not heard of it yet go on calling them.
  if (told) freeze()
  registrations.leave()
  if (!told) return 0
  const began = clock.monotonic()
  const left = () => Math.max(0, Math.min(propagationMs, limitMs) - (clock.monotonic() - began))
  const never = new AbortController().signal
  await sleep(clock, Math.min(left(), reportEveryMs), never)
  await link.stop()
  await sleep(clock, left(), never)
  return clock.monotonic() - began
}
