import { isDeepStrictEqual } from 'node:util'
import type { Clock, Random } from '../../mesh/std/clock.ts'
import type { Log } from '../../mesh/std/log.ts'
import { reasonOf } from '../standing.ts'
import type { Cluster, KnownAllocation } from './cluster.ts'
import type { NomadAdapterSettings } from './options.ts'
import type { Reads } from './reads.ts'
import { createWake } from './wake.ts'

export interface PollerDeps {
  readonly cluster: Cluster
  readonly reads: Reads
  readonly settings: NomadAdapterSettings
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Called when results have changed. */
  publish(): void
}

/** Results of checks are believed for so many periods. */
const trustedPeriods = 3

interface Poll {
  /** On the monotonic clock. */
  dueAt: number
  /** When its results were last read; undefined before that, and when they are too old. */
  readAt: number | undefined
  tried: boolean
}

export interface CheckPoller {
  /**
   * Reads the native checks of every allocation that has some, again and again, until the signal aborts: nothing
   * announces their results. Each is read once a period at a time of its own, few at once; one that cannot be read keeps
   * its last result for three periods.
   */
  run(signal: AbortSignal): Promise<void>
  /** True when every allocation with checks has been tried, or there was one period of time for it since the first call. */
  triedAll(): boolean
}

export function createCheckPoller(deps: PollerDeps): CheckPoller {
  const { cluster, reads, settings, clock, random, log, publish } = deps
  const { checkPeriodMs: periodMs, checkQueries } = settings
  const polls = new Map<string, Poll>()
  const running = new Map<string, Promise<void>>()
  const silentNodes = new Set<string>()
  const wake = createWake(clock)
  let askedAt: number | undefined

  /** Allocations with checks, each with its place in time. */
  function current(): ReadonlyMap<string, Poll> {
    for (const id of polls.keys()) if (!cluster.allocations.has(id)) polls.delete(id)
    for (const [id, known] of cluster.allocations) {
      if (!hasChecks(known)) polls.delete(id)
      else if (!polls.has(id)) polls.set(id, { dueAt: clock.monotonic(), readAt: undefined, tried: false })
    }
    return polls
  }

  async function poll(id: string, at: Poll, known: KnownAllocation, signal: AbortSignal): Promise<void> {
    const { nodeName, clientStatus } = known.allocation
    const stop = new AbortController()
    const end = () => stop.abort()
    // A client that does not answer must not hold up the others.
    const timer = clock.timer(periodMs, end)
    signal.addEventListener('abort', end, { once: true })
    try {
      if (clientStatus !== 'running') return rest(id, at, clientStatus)
      const results = await reads.checks(id, stop.signal)
      if (silentNodes.delete(nodeName)) log.info('the checks of a node can be read again', { node: nodeName })
      at.readAt = clock.monotonic()
      at.dueAt = at.readAt + periodMs * (0.75 + random() / 4)
      if (!isDeepStrictEqual(results, cluster.checksOf(id))) cluster.setChecks(id, results)
    } catch (error) {
      if (signal.aborted) return
      if (!silentNodes.has(nodeName)) {
        const reason = stop.signal.aborted ? `no answer within ${periodMs} ms` : reasonOf(error)
        log.warn('the checks of a node cannot be read, what is known of its allocations counts', {
          node: nodeName,
          reason,
        })
      }
      silentNodes.add(nodeName)
      postpone(id, at)
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', end)
      at.tried = true
    }
  }

  /** Nobody runs checks there; of a client that is disconnected the last results stay as they are. */
  function rest(id: string, at: Poll, clientStatus: string): void {
    if (clientStatus === 'unknown') at.dueAt = clock.monotonic() + periodMs
    else postpone(id, at)
  }

  /** Tries again later, or when the last results become too old, which then are no longer believed. */
  function postpone(id: string, at: Poll): void {
    const now = clock.monotonic()
    at.dueAt = now + periodMs * (1 + random())
    if (at.readAt === undefined) return
    const trustedUntil = at.readAt + periodMs * trustedPeriods
    if (now < trustedUntil) {
      at.dueAt = Math.min(at.dueAt, trustedUntil)
      return
    }
    at.readAt = undefined
    cluster.setChecks(id, undefined)
  }

  /** Those whose time has come, the longest waiting first. */
  function dueAt(now: number): string[] {
    const due = [...current()].filter(([id, at]) => at.dueAt <= now && !running.has(id))
    return due.sort(([, a], [, b]) => a.dueAt - b.dueAt).map(([id]) => id)
  }

  function start(id: string, signal: AbortSignal): void {
    const known = cluster.allocations.get(id)
    const at = polls.get(id)
    if (known === undefined || at === undefined) return
    const done = poll(id, at, known, signal).then(() => {
      running.delete(id)
      publish()
      wake.wake()
    })
    running.set(id, done)
  }

  return {
    async run(signal) {
      const tickMs = periodMs / 20
      let due: string[] = []
      let tickAt = 0
      while (!signal.aborted) {
        const now = clock.monotonic()
        if (now >= tickAt) {
          due = dueAt(now)
          tickAt = now + tickMs
        }
        while (running.size < checkQueries) {
          const id = due.shift()
          if (id === undefined) break
          start(id, signal)
        }
        await wake.wait(tickAt - clock.monotonic(), signal)
      }
      await Promise.all(running.values())
    },
    triedAll() {
      askedAt ??= clock.monotonic()
      if (clock.monotonic() - askedAt >= periodMs) return true
      return [...current().values()].every(({ tried }) => tried)
    },
  }
}

function hasChecks({ group }: KnownAllocation): boolean {
  return [...group.services.values()].some(({ checks }) => checks.length > 0)
}
