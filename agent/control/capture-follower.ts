import type { Clock, Random } from '../../mesh/std/clock.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { PartStatus } from '../admin/status.ts'
import type { Capture } from '../intercept/capture.ts'
import type { CapturePlan } from '../intercept/plan.ts'
import type { Follower } from './apply.ts'
import { type CaptureSettings, capturePlanOf } from './capture-plan.ts'
import { createRetrying } from './retrying.ts'

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

/** Starts capture, or nothing when the settings say so. Resolves after the first try to start. */
export async function startCaptureFollower(
  deps: CaptureFollowerDeps,
  settings: CaptureSettings,
): Promise<CaptureFollower> {
  const { enabled } = settings.capture
  let capture: Capture | undefined
  let plan: CapturePlan | undefined
  const trying = createRetrying<CapturePlan>({
    ...deps,
    failing: 'connections are not captured',
    code: 'WEFT_CAPTURE',
    async attempt(latest) {
      capture ??= await deps.start()
      if (latest !== undefined) await capture.update(latest)
    },
  })
  if (enabled) await trying.submit(undefined)
  return {
    async follow(config, ports) {
      if (!enabled) return
      const wanted = capturePlanOf(config, ports, settings)
      if (trying.problem() === undefined && JSON.stringify(wanted) === JSON.stringify(plan)) return
      plan = wanted
      await trying.submit(wanted)
    },
    status() {
      if (!enabled) return { state: 'off' }
      const status = capture?.status()
      const reason = trying.problem() ?? status?.error
      return reason === undefined ? { state: 'ok', detail: { ...status } } : { state: 'failing', reason }
    },
    repairs: () => capture?.status().repairs.count ?? 0,
    async stop() {
      await trying.stop()
      await capture?.stop()
    },
  }
}
