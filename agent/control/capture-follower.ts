import { createBackoff } from '../../mesh/std/backoff.ts'
import type { Clock, Random, Timer } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { PartStatus } from '../admin/status.ts'
import type { Capture } from '../intercept/capture.ts'
import type { CapturePlan } from '../intercept/plan.ts'
import type { Follower } from './apply.ts'
import { type CaptureSettings, capturePlanOf } from './capture-plan.ts'

export interface CaptureFollowerDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  start(): Promise<Capture>
}

/** Capture, following the config. While it fails, everything else goes on and it is tried again. */
export interface CaptureFollower extends Follower {
  status(): PartStatus
  /** How often rules had to be put back. */
  repairs(): number
  stop(): Promise<void>
}

const retry = { baseMs: 2_000, capMs: 60_000 }

/** Starts capture, or a follower that is off when the settings say so. Resolves after the first try to start. */
export async function startCaptureFollower(
  deps: CaptureFollowerDeps,
  settings: CaptureSettings,
): Promise<CaptureFollower> {
  const backoff = createBackoff(retry, deps.random)
  let capture: Capture | undefined
  let plan: CapturePlan | undefined
  let problem: string | undefined
  let timer: Timer | undefined
  let trying: Promise<void> | undefined
  let stopped = false

  async function attempt(): Promise<void> {
    try {
      capture ??= await deps.start()
      if (plan !== undefined && !stopped) await capture.update(plan)
      problem = undefined
      backoff.reset()
    } catch (error) {
      const reason = describeError(error)
      if (reason !== problem) deps.log.error('connections are not captured', { code: 'WEFT_CAPTURE', reason })
      problem = reason
      timer?.cancel()
      if (!stopped) timer = deps.clock.timer(backoff.nextMs(), () => void enqueue())
    }
  }

  /** One attempt at a time, each with the plan of its moment. */
  function enqueue(): Promise<void> {
    const next = (trying ?? Promise.resolve()).then(attempt)
    trying = next
    return next
  }

  if (settings.capture.enabled) await enqueue()
  return {
    async follow(config, ports) {
      if (!settings.capture.enabled) return
      const wanted = capturePlanOf(config, ports, settings)
      if (problem === undefined && JSON.stringify(wanted) === JSON.stringify(plan)) return
      plan = wanted
      await enqueue()
    },
    status() {
      if (!settings.capture.enabled) return { state: 'off' }
      const status = capture?.status()
      const reason = problem ?? status?.error
      if (reason !== undefined) return { state: 'failing', reason }
      return { state: 'ok', detail: { ...status } }
    },
    repairs: () => capture?.status().repairs.count ?? 0,
    async stop() {
      stopped = true
      timer?.cancel()
      await trying
      await capture?.stop()
    },
  }
}
