import { createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, type Random, sleep } from '../../mesh/std/clock.ts'
import { type ConsulInstance, parseInstances, parseServiceNames } from './answers.ts'
import { retryMs } from './blocking-query.ts'
import type { ConsulClient } from './client.ts'
import type { ConsulSettings } from './options.ts'
import { standingQueries } from './options.ts'
import type { ReadQueue } from './read-queue.ts'
import { type Rights, unreadableInstances } from './rights.ts'
import type { Standing } from './standing.ts'

export interface ReaderDeps {
  readonly client: ConsulClient
  readonly settings: ConsulSettings
  readonly clock: Clock
  readonly random: Random
  readonly standing: Standing
  readonly rights: Rights
  readonly queue: ReadQueue
  /** Takes what was read of one service. */
  store(name: string, instances: readonly ConsulInstance[]): void
  /** Called when a batch is through, whether or not all of it could be read. */
  batchDone(): void
}

/** Names of a sweep that are read before urgent ones get their turn again. */
const batchSize = 64
/** A sweep may take at most this share of the time. */
const sweepShare = 1 / 5
/** A read after the leader's word: a follower might not have the change yet, and nothing would say when it has. */
const fromLeader = { kind: 'now', stale: false } as const

/**
 * Reads the queued services, several at once, until the signal aborts. The first failure ends a batch: what was not
 * read is queued again, the failed one last, and tried after a back-off, so a Consul in trouble is left alone.
 */
export async function readQueued(deps: ReaderDeps, signal: AbortSignal): Promise<void> {
  const { settings, clock, random, standing, queue } = deps
  const { backoffBaseMs, backoffCapMs, sweepMs } = settings.pace
  const backoff = createBackoff({ baseMs: backoffBaseMs, capMs: backoffCapMs }, random)
  let sweepStartedAt: number | undefined
  let sweepOpensAt = 0
  while (!signal.aborted) {
    const now = clock.monotonic()
    const sweeping = queue.urgentCount === 0 && now >= sweepOpensAt
    const names = queue.take(batchSize, sweeping)
    if (names.length === 0) {
      // What failed last may have been deregistered since: nothing is waiting to be tried again.
      if (queue.urgentCount === 0) standing.succeeded('reads')
      await idle(queue, clock, queue.laterCount > 0 ? sweepOpensAt - now : undefined, signal)
      continue
    }
    if (sweeping) sweepStartedAt ??= now
    const failure = await readBatch(names, deps, signal)
    if (signal.aborted) return
    if (sweepStartedAt !== undefined && queue.laterCount === 0) {
      const done = clock.monotonic()
      sweepOpensAt = done + Math.max(sweepMs, (done - sweepStartedAt) * (1 / sweepShare - 1))
      sweepStartedAt = undefined
    }
    deps.batchDone()
    if (failure === undefined) {
      backoff.reset()
      standing.succeeded('reads')
    } else {
      standing.failed('reads', failure.error)
      await sleep(clock, retryMs(failure.error, backoff), signal)
    }
  }
}

/** Waits for new names, or for the sweep to open. */
async function idle(queue: ReadQueue, clock: Clock, withinMs: number | undefined, signal: AbortSignal): Promise<void> {
  if (withinMs === undefined) return queue.changed(signal)
  const waiting = new AbortController()
  const end = () => waiting.abort()
  signal.addEventListener('abort', end, { once: true })
  await Promise.race([queue.changed(waiting.signal), sleep(clock, withinMs, waiting.signal)])
  signal.removeEventListener('abort', end)
  end()
}

async function readBatch(
  names: readonly string[],
  deps: ReaderDeps,
  signal: AbortSignal,
): Promise<{ readonly error: unknown } | undefined> {
  const { settings, queue } = deps
  const left = [...names]
  const failed: string[] = []
  let failure: { readonly error: unknown } | undefined
  const work = async () => {
    for (let name = left.shift(); name !== undefined && !signal.aborted; name = left.shift()) {
      try {
        deps.store(name, await readService(name, deps, signal))
      } catch (error) {
        failure ??= { error }
        failed.push(name, ...left.splice(0).reverse())
      }
    }
  }
  const workers = Math.min(names.length, settings.maxOpenQueries - standingQueries)
  await Promise.all(Array.from({ length: workers }, work))
  queue.urgent(failed.reverse())
  return failure
}

/**
 * A service in Consul's list has instances. When the list has it and its instances are missing, either it has just been
 * deregistered or the token may not read its nodes: the list, read again, tells which. No instances means deregistered.
 */
async function readService(
  name: string,
  { client, rights }: ReaderDeps,
  signal: AbortSignal,
): Promise<readonly ConsulInstance[]> {
  const read = async () => parseInstances((await client.read({ kind: 'service', name }, fromLeader, signal)).body)
  const instances = await read()
  if (instances.length > 0) return instances
  const names = parseServiceNames((await client.read({ kind: 'services' }, fromLeader, signal)).body)
  rights.checkNames(names)
  if (!names.has(name)) return []
  const again = await read()
  if (again.length === 0) throw unreadableInstances(name)
  return again
}
