import { createBackoff } from '../../mesh/std/backoff.ts'
import type { Clock, Random, Timer } from '../../mesh/std/clock.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { ConsulClient } from './client.ts'
import type { ServiceAnswer } from './knowledge.ts'
import { type ConsulSettings, readersOf, standingQueries } from './options.ts'
import { instancesOf, serviceResource } from './service-reads.ts'
import { createTokenBucket } from './token-bucket.ts'

/**
 * Blocking queries on single services, as many as there is room for. A service with one tells of each change at once;
 * the others are found by hints and sweeps.
 */
export interface ServiceWatchers {
  /**
   * A service has just been read under this index: it is watched from there on if there is room. One that has changed
   * takes the place of the one that has been still for longest.
   */
  offer(name: string, index: bigint, changed: boolean): void
  has(name: string): boolean
  /** Ends the watches on all services that are not among these. */
  retain(names: { has(name: string): boolean }): void
  /** Begins anew: what waits may wait for nothing after a failure, and what was refused may be taken now. */
  reopen(): void
  /** Resolves when every query has ended, after the signal has aborted. */
  ended(): Promise<void>
}

export interface ServiceWatchersDeps {
  readonly client: ConsulClient
  readonly settings: ConsulSettings
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** A watched service has changed. */
  changed(name: string, answer: ServiceAnswer): void
  /** A watch has ended by a failure, or by an answer that cannot be believed: the service is to be read. */
  lost(name: string): void
  /** A service is not watched, and is to be read when there is time. */
  displaced(names: Iterable<string>): void
}

interface Watcher {
  readonly controller: AbortController
  readonly startedAt: number
  movedAt: number
}

/** A service keeps its place for so long at least, so that many changes do not make places change hands all the time. */
const keepMs = 30_000
/** A query that fails sooner was refused, for want of connections; one that was open for longer has another reason. */
const refusedMs = 1_000

/** No service is watched yet; all watches end with the signal. */
export function createServiceWatchers(deps: ServiceWatchersDeps, signal: AbortSignal): ServiceWatchers {
  const { client, settings, clock, random, log } = deps
  const { repeatMs, backoffBaseMs, backoffCapMs } = settings.pace
  const backoff = createBackoff({ baseMs: backoffBaseMs, capMs: backoffCapMs }, random)
  /** In the order of their last change. */
  const open = new Map<string, Watcher>()
  const running = new Set<Promise<void>>()
  const mostOpen = Math.max(0, settings.maxOpenQueries - standingQueries - readersOf(settings))
  let room = mostOpen
  /** While it is set no query is opened; `turnedAway` are the services that were offered meanwhile. */
  let pause: Timer | undefined
  const turnedAway = new Set<string>()

  function resume(): void {
    pause?.cancel()
    pause = undefined
    deps.displaced(turnedAway)
    turnedAway.clear()
  }

  /** Consul may bear no more connections: what is open stays, the others are swept. */
  function failed(name: string, { startedAt }: Watcher, error: unknown): void {
    const refused = clock.monotonic() - startedAt < refusedMs && open.size <= room
    if (refused && room === mostOpen) log.warn('consul takes fewer open queries than it may be asked', { error })
    if (refused) room = Math.max(0, open.size - 1)
    log.debug('a query on a consul service has ended', { service: name, error })
    pause ??= clock.timer(backoff.nextMs(), resume)
  }

  /** Follows one service until something is wrong; the answers it has given until then hold. */
  async function follow(name: string, from: bigint, aborted: AbortSignal): Promise<void> {
    const bucket = createTokenBucket(2, repeatMs, clock)
    const consistency = settings.stale ? 'stale' : 'default'
    for (let index = from; ; ) {
      await bucket.take(aborted)
      const answer = await client.read(
        serviceResource(name, settings),
        { kind: 'blocking', consistency, index },
        aborted,
      )
      if (answer.index === index) continue
      const instances = instancesOf(answer.body, settings)
      // What has gone backwards, or is empty, takes a closer look.
      if (answer.index < index || instances.length === 0) return
      index = answer.index
      backoff.reset()
      deps.changed(name, { index, instances })
    }
  }

  function end(name: string): void {
    open.get(name)?.controller.abort()
    open.delete(name)
  }

  async function run(name: string, index: bigint, watcher: Watcher): Promise<void> {
    const abort = () => watcher.controller.abort()
    signal.addEventListener('abort', abort, { once: true })
    try {
      await follow(name, index, watcher.controller.signal)
    } catch (error) {
      if (!watcher.controller.signal.aborted) failed(name, watcher, error)
    } finally {
      signal.removeEventListener('abort', abort)
      if (open.get(name) === watcher) open.delete(name)
      if (!watcher.controller.signal.aborted) deps.lost(name)
    }
  }

  function start(name: string, index: bigint): void {
    const now = clock.monotonic()
    const watcher = { controller: new AbortController(), startedAt: now, movedAt: now }
    open.set(name, watcher)
    const ended = run(name, index, watcher).finally(() => running.delete(ended))
    running.add(ended)
  }

  /** Ends the watch on the service that has been still for longest, if that is long enough; false if it is not. */
  function makeRoom(): boolean {
    const [stillest] = open
    if (stillest === undefined || clock.monotonic() - stillest[1].movedAt < keepMs) return false
    end(stillest[0])
    deps.displaced([stillest[0]])
    return true
  }

  return {
    offer(name, index, changed) {
      const watcher = open.get(name)
      if (watcher !== undefined && changed) {
        open.delete(name)
        open.set(name, watcher)
        watcher.movedAt = clock.monotonic()
      }
      if (watcher !== undefined || signal.aborted) return
      if (pause !== undefined) turnedAway.add(name)
      else if (open.size < room || (changed && makeRoom())) start(name, index)
    },
    has: name => open.has(name),
    retain(names) {
      for (const name of [...open.keys()]) if (!names.has(name)) end(name)
    },
    reopen() {
      room = mostOpen
      const watched = [...open.keys()]
      for (const name of watched) end(name)
      deps.displaced(watched)
      resume()
    },
    async ended() {
      pause?.cancel()
      while (running.size > 0) await Promise.all(running)
    },
  }
}
