import { createBackoff } from '../../mesh/std/backoff.ts'
import { sleep } from '../../mesh/std/clock.ts'
import { reasonOf } from '../standing.ts'
import { followByEvents, type OpenEvents, openEvents } from './by-events.ts'
import { followByPolling } from './by-polling.ts'
import type { NomadClient } from './client/client.ts'
import { failureOf } from './client/errors.ts'
import { type FollowDeps, type Follower, retryMs } from './follow.ts'

/**
 * Keeps following until the signal aborts: by events, and by polling for as long as these are refused though everything
 * else can be read.
 */
export async function followAnyhow(
  client: NomadClient,
  follower: Follower,
  deps: FollowDeps,
  signal: AbortSignal,
): Promise<void> {
  const { settings, clock, random, standing } = deps
  const { backoffBaseMs, backoffCapMs } = settings.pace
  const backoff = createBackoff({ baseMs: backoffBaseMs, capMs: backoffCapMs }, random)
  while (!signal.aborted) {
    let waitMs: number | undefined
    const startedAt = clock.monotonic()
    try {
      const events = await eventsAtLast(client, follower, deps, signal)
      if (events === undefined) return
      standing.succeeded('events')
      await followByEvents(events, follower, deps, signal)
    } catch (error) {
      if (signal.aborted) return
      standing.failed('events', error)
      waitMs = retryMs(error, backoff)
    }
    // A stream that ends as soon as it is there must not have everything read over and over.
    if (clock.monotonic() - startedAt > backoffCapMs * 2) backoff.reset()
    await sleep(clock, waitMs ?? backoff.nextMs(), signal)
  }
}

/** The event stream: at once, or when it is no longer refused. Undefined when the signal has ended the wait. */
async function eventsAtLast(
  client: NomadClient,
  follower: Follower,
  deps: FollowDeps,
  signal: AbortSignal,
): Promise<OpenEvents | undefined> {
  const { settings, clock, log, standing } = deps
  const { namespaces, pace } = settings

  async function tryAgain(stop: AbortSignal): Promise<OpenEvents | undefined> {
    while (!stop.aborted) {
      await sleep(clock, pace.resyncMs, stop)
      try {
        if (!stop.aborted) return await openEvents(client, namespaces, stop)
      } catch {
        // Still refused, or worse, of which the polling tells.
      }
    }
    return undefined
  }

  try {
    return await openEvents(client, namespaces, signal)
  } catch (error) {
    if (failureOf(error) !== 'denied-or-dead') throw error
    const begun = () => {
      standing.succeeded('events')
      log.warn('nomad refuses its event stream, changes are found by polling', { reason: reasonOf(error) })
    }
    const events = await followByPolling(follower, deps, begun, tryAgain, signal)
    if (events !== undefined) log.info('nomad gives its events again')
    return events
  }
}
