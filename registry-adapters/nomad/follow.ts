import { type Backoff, createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, type Random, sleep } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Standing } from '../standing.ts'
import { applyChanges, readWanted, type Wanted } from './changed-read.ts'
import type { Cluster } from './cluster.ts'
import { createReadMemory, hasFallen, type ReadDeps, readEverything, type TableIndexes } from './complete-read.ts'
import type { Changes, Inbox } from './inbox.ts'
import type { Wake } from './wake.ts'

export interface FollowDeps extends ReadDeps {
  readonly cluster: Cluster
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly standing: Standing
  /** Called when the cluster holds together again after a change. */
  publish(): void
}

/** Where changes come from. */
export interface Source {
  readonly inbox: Inbox
  /** Something has come in, or `stale` has become true. */
  readonly wake: Wake
  /** Set by whoever knows that something has changed and not what. */
  stale: boolean
  /** How long to rest after a complete read that took so long, in milliseconds. */
  restMs(tookMs: number): number
}

/** Keeps the cluster as Nomad has it. */
export interface Follower {
  /**
   * Reads everything, and then what the source says, until the signal aborts; everything again when the source is
   * stale, and now and then. The cluster is changed only by reads that succeeded as a whole; after a failure it is
   * tried again by itself.
   */
  run(source: Source, signal: AbortSignal): Promise<void>
}

export function createFollower(deps: FollowDeps): Follower {
  const { cluster, settings, clock, random, standing, log, publish } = deps
  const { repeatMs, resyncMs, backoffBaseMs, backoffCapMs } = settings.pace
  const memory = createReadMemory()
  /** Index of the services at the last complete read. */
  let readAt = 0

  async function readAll(signal: AbortSignal): Promise<void> {
    const { content, indexes } = await readEverything(cluster, memory, deps, signal)
    if (memory.floor !== undefined && hasFallen(memory.floor, indexes)) {
      log.warn('the index of nomad has fallen, as after the restore of a snapshot', { from: memory.floor, to: indexes })
    }
    memory.floor = indexes
    memory.allocations.clear()
    memory.nodes.clear()
    readAt = indexes.services
    cluster.replace(content)
  }

  async function readChanges(wanted: Wanted, signal: AbortSignal): Promise<void> {
    if (wanted.services.size === 0 && wanted.allocations.size === 0) return
    cluster.merge(await readWanted(wanted, cluster, deps, signal))
    forget(wanted)
  }

  return {
    async run(source, signal) {
      const backoff = createBackoff({ baseMs: backoffBaseMs, capMs: backoffCapMs }, random)
      const wanted: Wanted = { services: new Map(), allocations: new Set() }
      let readAllAt = Number.NEGATIVE_INFINITY
      while (!signal.aborted) {
        const startedAt = clock.monotonic()
        const all = source.stale || startedAt >= readAllAt
        let restMs = repeatMs
        try {
          const changes = source.inbox.take()
          if (all) {
            // What has come in before a complete read is in it.
            source.stale = false
            readAllAt = Number.NEGATIVE_INFINITY
            forget(wanted)
            await readAll(signal)
            readAllAt = clock.monotonic() + resyncMs * (0.75 + random() / 4)
            restMs = source.restMs(clock.monotonic() - startedAt)
          } else {
            memory.floor = memory.floor && raised(memory.floor, changes)
            applyChanges(changes, cluster, wanted, readAt)
            publish()
            await readChanges(wanted, signal)
          }
          backoff.reset()
          standing.succeeded('reads')
          publish()
        } catch (error) {
          if (signal.aborted) return
          standing.failed('reads', error)
          restMs = retryMs(error, backoff)
        }
        await sleep(clock, restMs, signal)
        if (wanted.services.size > 0 || wanted.allocations.size > 0 || readAllAt < clock.monotonic()) continue
        await source.wake.wait(readAllAt - clock.monotonic(), signal)
      }
    },
  }
}

/** Tables are at least as new as what events have said of them. */
function raised(floor: TableIndexes, { services, allocations, nodes }: Changes): TableIndexes {
  const newest = (from: number, indexes: IteratorObject<number>) => indexes.reduce((a, b) => Math.max(a, b), from)
  return {
    services: newest(
      floor.services,
      services.values().map(({ index }) => index),
    ),
    allocations: newest(
      floor.allocations,
      allocations.values().map(({ allocation }) => allocation.modifyIndex),
    ),
    nodes: newest(
      floor.nodes,
      nodes.values().map(({ modifyIndex }) => modifyIndex),
    ),
  }
}

function forget(wanted: Wanted): void {
  wanted.services.clear()
  wanted.allocations.clear()
}

/** The next delay of the back-off, or what Nomad asked for where that is longer. */
export function retryMs(error: unknown, backoff: Backoff): number {
  const asked = error instanceof MeshError ? Number(error.fields.retryAfterMs ?? 0) : 0
  return Math.max(backoff.nextMs(), asked)
}
