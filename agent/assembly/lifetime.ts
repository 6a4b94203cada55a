import { describeError, type MeshError } from '../../mesh/std/errors.ts'
import { Started } from '../../mesh/std/lifecycle.ts'
import type { Log } from '../../mesh/std/log.ts'

/** What is done before anything is stopped, within `drainMs`: other hosts hear of it, connections come to their end. */
export type Leave = (drainMs: number) => Promise<void>

/**
 * How an agent ends. Its parts may ask for that while others are still being started: what does not exist yet is not
 * used, and what comes to exist all the same is stopped too.
 */
export interface Lifetime {
  /** Everything that runs; stopped in reverse order at the end. */
  readonly started: Started
  /** Whether somebody has asked for the end. */
  isEnding(): boolean
  /** Ends in good order, as soon as everything has started. Resolves when nothing is left running. */
  stop(): Promise<void>
  /** The same for whoever does not wait for it. */
  drain(): void
  /** Ends without draining; an agent that is still starting does not start. */
  fail(error: MeshError): void
  /** Says that everything has started. Throws what the agent failed with meanwhile. */
  complete(leave: Leave): void
  /** Stops what has started of an agent that cannot; resolves to the reason, which is what it failed with first of all. */
  abandon(error: unknown): Promise<unknown>
  /** Resolves when the agent has ended, with the error it could not go on after, if there is one. */
  readonly ended: Promise<MeshError | undefined>
}

/** Nothing is running yet. `drainMs` is how long leaving may take. */
export function createLifetime(log: Log, drainMs: number): Lifetime {
  const started = new Started()
  const ended = Promise.withResolvers<MeshError | undefined>()
  const whole = Promise.withResolvers<Leave>()
  let isWhole = false
  let failure: MeshError | undefined
  let stopping: Promise<void> | undefined

  const end = async (): Promise<void> => {
    log.info('the agent stops', { drainMs: failure === undefined ? drainMs : 0 })
    const leave = await whole.promise
    try {
      if (failure === undefined) await leave(drainMs)
    } finally {
      try {
        await started.stop()
      } finally {
        ended.resolve(failure)
      }
    }
  }
  const stop = () => {
    stopping ??= end()
    return stopping
  }
  const failed = (error: unknown) => log.error('stopping failed', { error: describeError(error) })

  return {
    started,
    isEnding: () => stopping !== undefined || failure !== undefined,
    stop,
    drain: () => void stop().catch(failed),
    fail(error) {
      log.error('the agent cannot go on', { code: error.code, error: error.message })
      failure ??= error
      if (isWhole) stop().catch(failed)
    },
    complete(leave) {
      if (failure !== undefined) throw failure
      isWhole = true
      whole.resolve(leave)
    },
    async abandon(error) {
      await started.stop().catch(failed)
      // Whoever has asked for the end meanwhile has it now.
      whole.resolve(async () => {})
      return failure ?? error
    },
    ended: ended.promise,
  }
}
