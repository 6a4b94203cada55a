import type { Probe } from '../../mesh/model/probe.ts'
import type { Clock, Random, Timer } from '../../mesh/std/clock.ts'
import { type CheckResult, failed } from './check.ts'
import type { AnyCheck } from './checks.ts'
import type { Limit } from './limit.ts'
import { judge, undecided, type Verdict } from './thresholds.ts'

export interface ScheduleDeps {
  readonly clock: Clock
  readonly random: Random
  readonly check: AnyCheck
  /** Bounds how many checks run at once on this host. */
  readonly limit: Limit
}

/** One probe that is run again and again. */
export interface Schedule {
  readonly verdict: Verdict
  /** When the last result came, in milliseconds since 1970; undefined before the first. */
  readonly lastAt: number | undefined
  stop(): void
}

/** Probes of a host that begin together are spread over this time. */
const spreadMs = 500
/** Share of the period by which each turn is early or late. */
const jitter = 0.05

/**
 * Runs a probe against `address` until stopped; `told` is called after every result. Turns never overlap, and turns that
 * were missed, because a check took long or the machine slept, are not made up for.
 */
export function startSchedule(deps: ScheduleDeps, probe: Probe, address: string, told: () => void): Schedule {
  const { clock, random } = deps
  let verdict = undecided
  let lastAt: number | undefined
  let running: AbortController | undefined
  let stopped = false
  let timer: Timer = clock.timer(probe.initialDelayMs + random() * Math.min(spreadMs, probe.periodMs), turn)

  function turn(): void {
    const began = clock.monotonic()
    void deps
      .limit(() => (stopped ? undefined : attempt()))
      .then(result => {
        if (stopped || result === undefined) return
        verdict = judge(verdict, result, probe)
        lastAt = clock.now()
        const periodMs = probe.periodMs * (1 - jitter + 2 * jitter * random())
        timer = clock.timer(Math.max(0, periodMs - (clock.monotonic() - began)), turn)
        told()
      })
  }

  /** One check, over when it has answered or when its time is. */
  function attempt(): Promise<CheckResult> {
    const abort = new AbortController()
    running = abort
    const over = Promise.withResolvers<CheckResult>()
    const deadline = clock.timer(probe.timeoutMs, () => {
      over.resolve({ healthy: false, reason: `no answer within ${probe.timeoutMs} ms` })
    })
    deps.check(probe.check, address, abort.signal).then(over.resolve, error => over.resolve(failed(error)))
    return over.promise.finally(() => {
      deadline.cancel()
      abort.abort()
    })
  }

  return {
    get verdict() {
      return verdict
    },
    get lastAt() {
      return lastAt
    },
    stop() {
      stopped = true
      timer.cancel()
      running?.abort()
    },
  }
}
