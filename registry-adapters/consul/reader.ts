import { createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, type Random, sleep } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Standing } from '../standing.ts'
import { parseServiceNames } from './answers.ts'
import { retryMs } from './blocking-query.ts'
import type { Consistency, ConsulClient } from './client.ts'
import type { ServiceAnswer } from './knowledge.ts'
import { type ConsulSettings, readersOf } from './options.ts'
import type { ReadQueue } from './read-queue.ts'
import { type Rights, unreadableInstances } from './rights.ts'
import { instancesOf, serviceResource } from './service-reads.ts'
import { createSweep } from './sweep.ts'

export interface ReaderDeps {
  readonly client: ConsulClient
  readonly settings: ConsulSettings
  readonly clock: Clock
  readonly random: Random
  readonly standing: Standing
  readonly rights: Rights
  readonly queue: ReadQueue
  /** Names that are being read at this moment; kept by the reader. */
  readonly reading: Set<string>
  /** Takes what was read of one service, which was known under an index when the read began. */
  store(name: string, answer: ServiceAnswer, known: bigint): void
  /** Whether Consul still lists a service. */
  isListed(name: string): boolean
  /** Index under which a service was read last. */
  indexOf(name: string): bigint
  /** Called when a batch is through, whether or not all of it could be read. */
  batchDone(): void
}

/**
 * Reads the queued services, several at once, until the signal aborts. A service that fails is tried again after a
 * back-off while the others go on; when Consul itself is in trouble everything waits for the back-off.
 */
export async function readQueued(deps: ReaderDeps, signal: AbortSignal): Promise<void> {
  const { settings, clock, random, standing, queue } = deps
  const { backoffBaseMs, backoffCapMs } = settings.pace
  const backoff = createBackoff({ baseMs: backoffBaseMs, capMs: backoffCapMs }, random)
  const sweep = createSweep(settings.pace.sweepMs, clock)
  let retryAt = 0
  /** Batches in a row that read nothing. */
  let barren = 0
  while (!signal.aborted) {
    const now = clock.monotonic()
    if (queue.postponedCount > 0 && now >= retryAt) queue.revive()
    const names = sweep.take(queue)
    if (names.length === 0) {
      barren = 0
      if (queue.postponedCount === 0) standing.succeeded('reads')
      const sweepAt = queue.laterCount > 0 ? sweep.opensAt : Number.POSITIVE_INFINITY
      const until = Math.min(sweepAt, queue.postponedCount > 0 ? retryAt : sweepAt)
      await idle(queue, clock, until - now, signal)
      continue
    }
    const { read, failed, left, error } = await readBatch(names, deps, signal)
    if (signal.aborted) return
    queue.urgent(left)
    sweep.batchDone(queue)
    deps.batchDone()
    barren = read === 0 ? barren + 1 : 0
    if (failed.length === 0) {
      if (queue.postponedCount > 0) continue
      backoff.reset()
      if (queue.urgentCount === 0) standing.succeeded('reads')
      continue
    }
    standing.failed('reads', error)
    queue.postpone(failed.filter(deps.isListed))
    const waitMs = retryMs(error, backoff)
    retryAt = clock.monotonic() + waitMs
    // One failure among many reads, or alone, may be that service's own; more is Consul's.
    if (isOverload(error) || failed.length - read > 1 || barren > 1) await sleep(clock, waitMs, signal)
  }
}

/** Waits for new names, or for a time; for ever when that is infinite. */
async function idle(queue: ReadQueue, clock: Clock, withinMs: number, signal: AbortSignal): Promise<void> {
  if (withinMs === Number.POSITIVE_INFINITY) return queue.changed(signal)
  const waiting = new AbortController()
  const end = () => waiting.abort()
  signal.addEventListener('abort', end, { once: true })
  await Promise.race([queue.changed(waiting.signal), sleep(clock, withinMs, waiting.signal)])
  signal.removeEventListener('abort', end)
  end()
}

/** Consul says itself that it wants fewer requests. */
function isOverload(error: unknown): boolean {
  return error instanceof MeshError && (error.fields.status === 429 || error.fields.status === 503)
}

interface BatchResult {
  /** How many could be read. */
  readonly read: number
  readonly failed: readonly string[]
  /** Names that were not tried any more after the first failure. */
  readonly left: readonly string[]
  /** The first failure. */
  readonly error: unknown
}

async function readBatch(names: readonly string[], deps: ReaderDeps, signal: AbortSignal): Promise<BatchResult> {
  const left = [...names]
  const failed: string[] = []
  let read = 0
  let error: unknown
  const work = async () => {
    while (failed.length === 0 && !signal.aborted) {
      const name = left.shift()
      if (name === undefined) return
      deps.reading.add(name)
      try {
        const known = deps.indexOf(name)
        deps.store(name, await readService(name, known, deps, signal), known)
        read += 1
      } catch (cause) {
        error ??= cause
        failed.push(name)
      } finally {
        deps.reading.delete(name)
      }
    }
  }
  const workers = Math.min(names.length, readersOf(deps.settings))
  await Promise.all(Array.from({ length: workers }, work))
  return { read, failed, left, error }
}

/**
 * Reads by the leader's word: a follower might not have the change yet, and nothing would say when it has. An answer
 * older than what is known already is not believed before the leader has proved to be one.
 *
 * A service in Consul's list has instances. When the list has it and its instances are missing, either it has just been
 * deregistered or the token may not read its nodes: the list, read again, tells which. No instances means deregistered,
 * or that the filter takes none of them.
 */
async function readService(name: string, known: bigint, deps: ReaderDeps, signal: AbortSignal): Promise<ServiceAnswer> {
  const { client, rights, settings } = deps
  const read = async (consistency: Consistency, resource = serviceResource(name, settings)): Promise<ServiceAnswer> => {
    const { index, body } = await client.read(resource, { kind: 'now', consistency }, signal)
    return { index, instances: instancesOf(body, settings) }
  }
  const first = await read('default')
  const answer = first.index < known ? await read('consistent') : first
  if (answer.instances.length > 0) return answer
  const list = await client.read({ kind: 'services' }, { kind: 'now', consistency: 'default' }, signal)
  const names = parseServiceNames(list.body)
  rights.checkNames(names)
  if (!names.has(name)) return answer
  const again = await read('consistent')
  if (again.instances.length > 0) return again
  const unfiltered = settings.filter === undefined ? again : await read('default', { kind: 'service', name })
  if (unfiltered.instances.length === 0) throw unreadableInstances(name)
  return again
}
