import type { Clock } from '../../mesh/std/clock.ts'
import type { ConsulClient } from './client.ts'
import type { ServiceAnswer } from './knowledge.ts'
import type { ConsulSettings } from './options.ts'
import { instancesOf, serviceResource } from './service-reads.ts'
import { createTokenBucket } from './token-bucket.ts'

/** A blocking query on one service, repeated. */
export interface ServiceWatch {
  readonly name: string
  /**
   * How it ended: retired when it was told to and its query is answered, in doubt after an answer that cannot be
   * believed, failed when there was none, aborted with the signal.
   */
  readonly ended: Promise<WatchEnd>
  readonly startedAt: number
  /**
   * Lets the query that is open be the last. Hanging up would free nothing: Consul holds a query, and counts its
   * connection, until it has an answer.
   */
  retire(): void
}

export type WatchEnd =
  | { readonly kind: 'retired' | 'doubt' | 'aborted' }
  | { readonly kind: 'failed'; readonly error: unknown }

export interface ServiceWatchDeps {
  readonly client: ConsulClient
  readonly settings: ConsulSettings
  readonly clock: Clock
  /** The service has changed. */
  changed(name: string, answer: ServiceAnswer): void
}

/** Watches a service from an index on. */
export function watchService(
  name: string,
  from: bigint,
  { client, settings, clock, changed }: ServiceWatchDeps,
  signal: AbortSignal,
): ServiceWatch {
  let retired = false

  async function follow(): Promise<WatchEnd> {
    const bucket = createTokenBucket(2, settings.pace.repeatMs, clock)
    const consistency = settings.stale ? 'stale' : 'default'
    let index = from
    while (!retired) {
      await bucket.take(signal)
      const mode = { kind: 'blocking', consistency, index } as const
      const answer = await client.read(serviceResource(name, settings), mode, signal)
      if (answer.index === index) continue
      const instances = instancesOf(answer.body, settings)
      // What has gone backwards, or is empty, takes a closer look.
      if (answer.index < index || instances.length === 0) return { kind: 'doubt' }
      index = answer.index
      changed(name, { index, instances })
    }
    return { kind: 'retired' }
  }

  const failed = (error: unknown): WatchEnd => (signal.aborted ? { kind: 'aborted' } : { kind: 'failed', error })
  return {
    name,
    startedAt: clock.monotonic(),
    ended: follow().catch(failed),
    retire() {
      retired = true
    },
  }
}
