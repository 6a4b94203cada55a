import { type Backoff, createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, type Random, sleep } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Standing } from '../standing.ts'
import type { ConsulClient, ReadMode } from './client.ts'
import type { Resource } from './connection.ts'
import type { ConsulSettings } from './options.ts'
import type { Restarts } from './restarts.ts'
import { createTokenBucket } from './token-bucket.ts'

export interface FollowDeps {
  readonly client: ConsulClient
  readonly settings: ConsulSettings
  readonly clock: Clock
  readonly random: Random
  readonly standing: Standing
  readonly restarts: Restarts
}

/**
 * Keeps one blocking query open until the signal aborts and hands each answer that may be new to `apply`, as Consul's
 * "Blocking Queries" page asks: the index is at least 1, begins anew when it goes backwards, and an answer with the
 * same index is no news. An `apply` that throws is a failure like any other: the answer counts as not received.
 *
 * After a failure the next read does not block: a server that was restarted counts from 1, and would hold a query for
 * an index of its former life for the whole wait.
 */
export async function follow(
  resource: Resource,
  apply: (body: unknown) => void,
  deps: FollowDeps,
  signal: AbortSignal,
): Promise<void> {
  const { client, settings, clock, random, standing, restarts } = deps
  const { repeatMs, backoffBaseMs, backoffCapMs } = settings.pace
  const bucket = createTokenBucket(2, repeatMs, clock)
  const backoff = createBackoff({ baseMs: backoffBaseMs, capMs: backoffCapMs }, random)
  /** Index of the last answer that was applied. */
  let applied = 0n
  let block = false
  /** After an index went backwards: a follower that lags behind is told from a true reset by asking the leader, if it still is. */
  let askLeader = false
  while (!signal.aborted) {
    const turn = restarts.turn(signal)
    try {
      await bucket.take(turn.signal)
      const consistency = askLeader ? 'consistent' : settings.stale ? 'stale' : 'default'
      const mode: ReadMode = block ? { kind: 'blocking', consistency, index: applied } : { kind: 'now', consistency }
      const answer = await client.read(resource, mode, turn.signal)
      const index = answer.index < 1n ? 1n : answer.index
      if (index < applied && !askLeader) {
        block = false
        askLeader = true
        continue
      }
      if (!block || index !== applied || answer.index < 1n) apply(answer.body)
      applied = index
      block = true
      askLeader = false
      backoff.reset()
      standing.succeeded(resource.kind)
    } catch (error) {
      block = false
      if (turn.signal.aborted) continue
      standing.failed(resource.kind, error)
      await sleep(clock, retryMs(error, backoff), signal)
    } finally {
      turn.end()
    }
  }
}

/** The next delay of the back-off, or what Consul asked for where that is longer. */
export function retryMs(error: unknown, backoff: Backoff): number {
  const asked = error instanceof MeshError ? Number(error.fields.retryAfterMs ?? 0) : 0
  return Math.max(backoff.nextMs(), asked)
}
