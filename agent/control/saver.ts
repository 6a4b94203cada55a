import { createBackoff } from '../../mesh/std/backoff.ts'
import type { Clock, Random, Timer } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'

export interface SaverDeps<T> {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  write(value: T): Promise<void>
}

/**
 * Brings the latest of a value to disk in the background. A full or read-only disk is reported and tried again until it
 * works; meanwhile the value is served from memory.
 */
export interface Saver<T> {
  save(value: T): void
  /** Why the latest value is not on disk; undefined when it is, or is about to be. */
  problem(): string | undefined
  /** Waits for what is being written; tries no more after that. */
  stop(): Promise<void>
}

const retry = { baseMs: 5_000, capMs: 300_000 }

/** Makes a saver; `what` names the value in logs and status. */
export function createSaver<T>(deps: SaverDeps<T>, what: string): Saver<T> {
  const backoff = createBackoff(retry, deps.random)
  let latest: { readonly value: T } | undefined
  let writing: Promise<void> | undefined
  let timer: Timer | undefined
  let problem: string | undefined
  let stopped = false

  function start(): void {
    timer?.cancel()
    timer = undefined
    if (latest === undefined || writing !== undefined) return
    const current = latest
    writing = deps
      .write(current.value)
      .then(() => {
        if (latest === current) latest = undefined
        problem = undefined
        backoff.reset()
      })
      .catch(error => {
        if (problem === undefined) deps.log.error('state could not be saved', { what, error: describeError(error) })
        problem = `${what}: ${describeError(error)}`
      })
      .finally(() => {
        writing = undefined
        if (problem === undefined) start()
        else if (!stopped) timer = deps.clock.timer(backoff.nextMs(), start)
      })
  }

  return {
    save(value) {
      latest = { value }
      if (!stopped) start()
    },
    problem: () => problem,
    async stop() {
      stopped = true
      timer?.cancel()
      while (writing !== undefined) await writing
    },
  }
}
