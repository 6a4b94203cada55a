import { type Backoff, createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, type Random, sleep, type Timer } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { JsonObject } from '../json.ts'
import type { Standing } from '../standing.ts'
import { about, isFailure, kubernetesError } from './client/errors.ts'
import type { RequestDeps } from './client/request.ts'
import { type Listed, listAll } from './list.ts'
import { createObjectTable } from './object-table.ts'
import type { ObjectKey } from './objects.ts'
import type { Read } from './reads.ts'
import { compareVersions } from './resource-version.ts'
import { watchFrom } from './watch.ts'

export interface ReflectorDeps extends RequestDeps {
  readonly random: Random
  readonly log: Log
  readonly standing: Standing
}

/** Takes what one read gives. */
export interface Reflection<T> {
  toValue(object: JsonObject): T
  /** An object is new or has changed; undefined: it is gone. */
  changed(key: ObjectKey, value: T | undefined): void
  /** A complete list has been told through `changed`. */
  listed(): void
}

/** A watch that ends sooner, and said nothing, is no success: the next one waits. */
const shortWatchMs = 1_000
/** So many of them in a row are a failure: something answers that does not watch. */
const maxShortWatches = 5

/**
 * Follows one collection until the signal aborts: lists it, watches it from the version of the list, takes the watch
 * up again where it ended, and lists anew when the API server no longer knows that version, when an event could not be
 * understood, and once in a long while. Failures are told to the standing, never thrown.
 */
export async function reflect<T>(
  read: Read,
  into: Reflection<T>,
  deps: ReflectorDeps,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, standing, session, pace } = deps
  const table = createObjectTable<T>(into.changed)
  const backoff = createBackoff({ baseMs: pace.backoffBaseMs, capMs: pace.backoffCapMs }, random)
  const history = createHistory(read, deps)
  /** Where to watch from; undefined when a list is needed. */
  let at: string | undefined
  let resyncAt = 0
  /** The last list was made because a version had expired, and nothing has come since. */
  let relisted = false
  /** Watches in a row that ended at once. */
  let short = 0
  let apiVersion = read.versions[0] ?? 'v1'

  async function list(): Promise<string> {
    const listed = await listAny(read, apiVersion, into.toValue, deps, signal)
    history.check(listed.version)
    apiVersion = listed.apiVersion
    table.replace(listed.objects)
    into.listed()
    resyncAt = clock.monotonic() + pace.resyncMs * (0.75 + random() / 4)
    return listed.version
  }

  function succeeded(): void {
    standing.succeeded(read.name)
    backoff.reset()
    short = 0
  }

  /** Watches until the watch ends; throws when it was too short once too often. */
  async function watch(resourceVersion: string, until: AbortSignal): Promise<void> {
    let good = false
    const goesWell = () => {
      good = true
      succeeded()
    }
    const lasts = createDelay(clock, goesWell)
    const opened = () => {
      lasts.start(shortWatchMs)
      if (short < maxShortWatches) standing.succeeded(read.name)
    }
    const from = { version: apiVersion, resourceVersion, timeoutMs: pace.watchMs * (1 + random()) }
    try {
      for await (const event of watchFrom(read, from, into.toValue, { ...deps, opened }, until)) {
        if (!good) goesWell()
        relisted = false
        if (event.kind === 'put') table.put(event.object)
        else if (event.kind === 'removed') table.remove(event.object.key, event.object.version)
        at = event.kind === 'bookmark' ? event.version : event.object.version
        history.saw(at)
      }
    } finally {
      lasts.cancel()
    }
    if (good || until.aborted) return
    short += 1
    if (short < maxShortWatches) return await sleep(clock, backoff.nextMs(), signal)
    throw kubernetesError('bad-answer', 'kubernetes ends each watch at once', about({ read, verb: 'watch' }))
  }

  while (!signal.aborted) {
    try {
      at ??= await list()
      const turn = startTurn(deps, resyncAt - clock.monotonic(), signal)
      await watch(at, turn.signal).finally(turn.end)
      if (turn.over()) at = undefined
    } catch (error) {
      if (signal.aborted) return
      const expired = at !== undefined && isFailure(error, 'expired')
      if (expired || isFailure(error, 'bad-answer')) at = undefined
      if (expired && !relisted) {
        relisted = true
        continue
      }
      session.suspect(isFailure(error, 'denied'))
      standing.failed(read.name, error)
      await sleep(clock, retryMs(error, backoff), signal)
    }
  }
}

/** Lists by the version that worked last; where the cluster does not know that one, by the others. */
async function listAny<T>(
  read: Read,
  first: string,
  toValue: (object: JsonObject) => T,
  deps: RequestDeps,
  signal: AbortSignal,
): Promise<Listed<T> & { readonly apiVersion: string }> {
  const others = read.versions.filter(version => version !== first)
  for (const apiVersion of [first, ...others]) {
    try {
      return { ...(await listAll(read, apiVersion, toValue, deps, signal)), apiVersion }
    } catch (error) {
      if (!isFailure(error, 'not-found') || signal.aborted) throw error
    }
  }
  throw kubernetesError('not-found', 'kubernetes does not know the resource', {
    ...about({ read, verb: 'list' }),
    group: read.group,
    versions: read.versions.join(', '),
  })
}

/** The next delay of the back-off, or what the API server asked for where that is longer. */
function retryMs(error: unknown, backoff: Backoff): number {
  const asked = error instanceof MeshError ? Number(error.fields.retryAfterMs ?? 0) : 0
  return Math.max(backoff.nextMs(), asked)
}

/** A timer that is not running yet. */
function createDelay(clock: Clock, run: () => void) {
  let timer: Timer | undefined
  return {
    start(ms: number): void {
      timer = clock.timer(ms, run)
    },
    cancel: () => timer?.cancel(),
  }
}

/** A signal that aborts after a time, or with the given one; `end` lets go of both. */
function startTurn({ clock }: ReflectorDeps, withinMs: number, signal: AbortSignal) {
  const controller = new AbortController()
  let over = false
  const abort = () => controller.abort()
  const timer = clock.timer(withinMs, () => {
    over = true
    abort()
  })
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  return {
    signal: controller.signal,
    over: () => over,
    end() {
      timer.cancel()
      signal.removeEventListener('abort', abort)
    },
  }
}

/**
 * Knows the newest version that was seen. A list from before it comes from an API server that lags behind, and is not
 * believed; only when that lasts has the cluster really gone back, as one does that is restored from a backup.
 */
function createHistory(read: Read, { clock, pace, log }: ReflectorDeps) {
  let newest: string | undefined
  let olderSince: number | undefined
  return {
    saw(version: string): void {
      if (newest === undefined || compareVersions(version, newest) > 0) newest = version
    },
    check(version: string): void {
      if (newest !== undefined && compareVersions(version, newest) < 0) {
        olderSince ??= clock.monotonic()
        if (clock.monotonic() - olderSince < pace.olderMs) {
          const fields = { ...about({ read, verb: 'list' }), got: version, seen: newest }
          throw kubernetesError('older', 'kubernetes answers with a state older than one seen before', fields)
        }
        log.warn('the cluster has gone back to an older state, which is believed now', { read: read.name, version })
        newest = version
      }
      olderSince = undefined
      this.saw(version)
    },
  }
}
