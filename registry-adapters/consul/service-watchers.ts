import type { Clock, Random } from '../../mesh/std/clock.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { ConsulClient } from './client.ts'
import type { ServiceAnswer } from './knowledge.ts'
import { type ConsulSettings, readersOf, standingQueries } from './options.ts'
import { type ServiceWatch, watchService } from './service-watch.ts'
import { createWatchRoom } from './watch-room.ts'

/**
 * Blocking queries on single services, as many as there is room for. A service with one tells of each change at once;
 * the others are found by hints and sweeps.
 */
export interface ServiceWatchers {
  /**
   * A service has just been read under this index: it is watched from there on if there is room. One that has changed
   * gets the place of the one that has been still for longest, as soon as the query on that is answered.
   */
  offer(name: string, index: bigint, changed: boolean): void
  has(name: string): boolean
  /** Ends the watches on all services that are not among these. */
  retain(names: { has(name: string): boolean }): void
  /** Hangs up and begins anew: after a failure what waits may wait for nothing. */
  reopen(): void
  /** Something could not be read: if that is for want of connections, some are given up. */
  yieldRoom(error: unknown): void
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
  /** Services are not watched any more, and are to be read when there is time. */
  displaced(names: Iterable<string>): void
}

/** A service keeps its place for so long at least, so that many changes do not make places change hands all the time. */
const keepMs = 30_000

/** No service is watched yet; all watches end with the signal. */
export function createServiceWatchers(deps: ServiceWatchersDeps, signal: AbortSignal): ServiceWatchers {
  const { settings, clock, log } = deps
  /** In the order of their last change. */
  const watched = new Map<string, { readonly watch: ServiceWatch; readonly movedAt: number }>()
  /** Every query that is open, also those that are the last of their service. */
  const running = new Set<Promise<void>>()
  /** Services that get the next places that become free, with the index of the last answer. */
  const waiting = new Map<string, bigint>()
  /** Services that were offered in a pause. */
  const turnedAway = new Set<string>()
  let hangUp = new AbortController()
  const most = Math.max(0, settings.maxOpenQueries - standingQueries - readersOf(settings))
  const room = createWatchRoom(most, {
    ...deps,
    pace: settings.pace,
    resumed() {
      deps.displaced(turnedAway)
      turnedAway.clear()
    },
    shrunk: () => displace([...watched.keys()].slice(0, watched.size - room.size)),
  })

  function start(name: string, index: bigint): void {
    const watch = watchService(name, index, deps, AbortSignal.any([signal, hangUp.signal]))
    watched.set(name, { watch, movedAt: clock.monotonic() })
    const ended = watch.ended.then(end => {
      running.delete(ended)
      const current = watched.get(name)?.watch === watch
      if (current) watched.delete(name)
      if (end.kind === 'failed') {
        log.debug('a query on a consul service has ended', { service: name, error: end.error })
        room.failed(end.error, clock.monotonic() - watch.startedAt, running.size)
      }
      if (current && end.kind !== 'aborted') deps.lost(name)
      if (!signal.aborted) fill()
    })
    running.add(ended)
  }

  function fill(): void {
    for (const [name, index] of waiting) {
      if (!room.fits(running.size)) return
      waiting.delete(name)
      if (!watched.has(name)) start(name, index)
    }
  }

  /** Their places become free when their queries are answered. */
  function retire(names: readonly string[]): void {
    for (const name of names) {
      watched.get(name)?.watch.retire()
      watched.delete(name)
    }
  }

  function displace(names: readonly string[]): void {
    retire(names)
    deps.displaced(names)
  }

  /** True when a service has been still for so long that another one may have its place. */
  function displaceStillest(): boolean {
    const [stillest] = watched
    if (stillest === undefined || clock.monotonic() - stillest[1].movedAt < keepMs) return false
    displace([stillest[0]])
    return true
  }

  return {
    offer(name, index, changed) {
      const known = watched.get(name)
      if (known !== undefined && changed) {
        watched.delete(name)
        watched.set(name, { ...known, movedAt: clock.monotonic() })
      }
      if (known !== undefined || signal.aborted) return
      if (room.paused) turnedAway.add(name)
      else if (waiting.has(name) || (changed && !room.fits(running.size) && displaceStillest()))
        waiting.set(name, index)
      else if (room.fits(running.size)) start(name, index)
    },
    has: name => watched.has(name),
    retain(names) {
      retire([...watched.keys()].filter(name => !names.has(name)))
      for (const name of [...waiting.keys()]) if (!names.has(name)) waiting.delete(name)
    },
    reopen() {
      const names = [...watched.keys(), ...waiting.keys()]
      hangUp.abort()
      hangUp = new AbortController()
      watched.clear()
      waiting.clear()
      room.restore()
      deps.displaced(names)
      room.resume()
    },
    yieldRoom: error => room.yield(error, running.size),
    async ended() {
      room.resume()
      while (running.size > 0) await Promise.all(running)
    },
  }
}
