import { createBackoff } from '../../mesh/std/backoff.ts'
import type { Clock, Random, Timer } from '../../mesh/std/clock.ts'
import type { ErrorCode } from '../../mesh/std/error-catalogue.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'

export interface RetryingDeps<Input> {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** What does not work while it fails, as a log line, and the code it is found under. */
  readonly failing: string
  readonly code: ErrorCode
  /** Brings the latest input in use; undefined before there was one. Throws when it cannot. */
  attempt(input: Input | undefined): Promise<void>
}

/** A part that may fail while everything else goes on: its latest input is tried until it is in use. */
export interface Retrying<Input> {
  /** Tries at once, after an attempt that is under way; resolves after that try, whatever its outcome. */
  submit(input: Input | undefined): Promise<void>
  /** Why the last attempt failed; undefined when it did not. */
  problem(): string | undefined
  /** Ends trying; resolves when no attempt is under way any more. */
  stop(): Promise<void>
}

const retry = { baseMs: 2_000, capMs: 60_000 }

/** Makes it; nothing is tried before the first `submit`. */
export function createRetrying<Input>(deps: RetryingDeps<Input>): Retrying<Input> {
  const backoff = createBackoff(retry, deps.random)
  let latest: Input | undefined
  let problem: string | undefined
  let timer: Timer | undefined
  let queue: Promise<void> = Promise.resolve()
  let stopped = false

  async function attempt(): Promise<void> {
    if (stopped) return
    timer?.cancel()
    try {
      await deps.attempt(latest)
      if (problem !== undefined) deps.log.info('works again', { code: deps.code, was: problem })
      problem = undefined
      backoff.reset()
    } catch (error) {
      const reason = describeError(error)
      if (reason !== problem) deps.log.error(deps.failing, { code: deps.code, reason })
      problem = reason
      timer = deps.clock.timer(backoff.nextMs(), () => void enqueue())
    }
  }

  /** One attempt at a time, each with the input of its moment. */
  function enqueue(): Promise<void> {
    queue = queue.then(attempt)
    return queue
  }

  return {
    submit(input) {
      latest = input
      return enqueue()
    },
    problem: () => problem,
    async stop() {
      stopped = true
      await queue
      timer?.cancel()
    },
  }
}
