import { createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, type Random, sleep } from '../../mesh/std/clock.ts'
import type { Standing } from '../standing.ts'
import { parseInstances } from './answers.ts'
import { retryMs } from './blocking-query.ts'
import type { ConsulClient } from './client.ts'
import type { ConsulSettings } from './options.ts'
import { ownService, type Rights } from './rights.ts'

export interface HeartbeatDeps {
  readonly client: ConsulClient
  readonly settings: ConsulSettings
  readonly clock: Clock
  readonly random: Random
  readonly standing: Standing
  readonly rights: Rights
  /** Consul is back after a failure, or everything is due to be read again: all standing queries start anew. */
  recovered(): void
}

/**
 * Reads Consul's own service now and then. A blocking query that waits does not notice a lost right or a server that
 * hangs, for minutes; this does. When a heartbeat succeeds after failures, and once in a long while, all standing
 * queries start anew.
 */
export async function beat(deps: HeartbeatDeps, signal: AbortSignal): Promise<void> {
  const { client, settings, clock, random, standing, rights, recovered } = deps
  const { heartbeatMs, aliveMs, resyncMs, backoffBaseMs, backoffCapMs } = settings.pace
  const backoff = createBackoff({ baseMs: backoffBaseMs, capMs: backoffCapMs }, random)
  const soon = (withinMs: number) => withinMs * (0.75 + random() / 4)
  let resyncAt = clock.monotonic() + soon(resyncMs)
  while (!signal.aborted) {
    let waitMs = soon(heartbeatMs)
    try {
      await client.goHome(signal)
      const mode = { kind: 'now', consistency: settings.stale ? 'stale' : 'default', withinMs: aliveMs } as const
      const answer = await client.read({ kind: 'service', name: ownService }, mode, signal)
      rights.checkOwnInstances(parseInstances(answer.body))
      backoff.reset()
      const due = clock.monotonic() >= resyncAt
      if (due) resyncAt = clock.monotonic() + soon(resyncMs)
      if (standing.succeeded('heartbeat') || due) recovered()
    } catch (error) {
      if (signal.aborted) return
      standing.failed('heartbeat', error)
      waitMs = retryMs(error, backoff)
    }
    await sleep(clock, waitMs, signal)
  }
}
