import type { Clock, Timer } from '../std/clock.ts'

/** How often each side asks whether the other is still there. */
export const pingEveryMs = 10_000
/** How long nothing may be heard before the other side counts as gone. */
export const silenceLimitMs = 20_000

/** The sign of life of one side of a channel. */
export interface Heartbeat {
  /** To be called with every message that arrives: any of them proves that the other side lives. */
  heard(): void
  stop(): void
}

export interface HeartbeatOptions {
  readonly clock: Clock
  /** Sends a ping; ids count up from 1. */
  ping(id: number): void
  /** Called once, when nothing was heard for {@link silenceLimitMs}. */
  silent(): void
}

/** Pings in fixed intervals until stopped or until the other side has been silent for too long. */
export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
  const { clock } = options
  let lastHeard = clock.monotonic()
  let id = 0
  let timer: Timer = clock.timer(pingEveryMs, beat)

  function beat(): void {
    if (clock.monotonic() - lastHeard >= silenceLimitMs) return options.silent()
    timer = clock.timer(pingEveryMs, beat)
    id += 1
    options.ping(id)
  }

  return {
    heard() {
      lastHeard = clock.monotonic()
    },
    stop() {
      timer.cancel()
    },
  }
}
