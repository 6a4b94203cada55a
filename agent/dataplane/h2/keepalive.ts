import type { Clock, Timer } from '../../../mesh/std/clock.ts'

export interface KeepaliveOptions {
  /** How long the peer may be silent before it is asked. */
  readonly intervalMs: number
  /** How long it may be silent after that before it counts as dead. */
  readonly timeoutMs: number
  /** Ask also while no stream is open. */
  readonly whenIdle: boolean
}

/** Asks after 10 s of silence and gives up after 20 more, while streams are open. */
export const defaultKeepalive: KeepaliveOptions = { intervalMs: 10_000, timeoutMs: 20_000, whenIdle: false }

/** What the keepalive asks of its connection. */
export interface KeepaliveHost {
  readonly openStreams: number
  /** The kernel has not taken what it was given. */
  readonly writing: boolean
  ping(done: (rttMs?: number) => void): void
  destroy(reason: string): void
}

/**
 * Finds out that a peer vanished without a FIN. Any sign of life counts, not only the answer: bytes from the peer, or
 * the kernel taking what it could not take before, because behind a long upload over a slow link an answer is late.
 */
export class Keepalive {
  readonly #host: KeepaliveHost
  readonly #clock: Clock
  readonly #options: KeepaliveOptions
  #alive = false
  #wasWriting = false
  #timer: Timer
  #askedAt: number | undefined

  constructor(host: KeepaliveHost, clock: Clock, options: KeepaliveOptions) {
    this.#host = host
    this.#clock = clock
    this.#options = options
    this.#timer = clock.timer(options.intervalMs, this.#tick)
  }

  /** Bytes arrived. */
  heard(): void {
    this.#alive = true
  }

  /** The kernel took what it was given: a sign of life if it had been stuck, not if it only took our question. */
  written(): void {
    if (this.#wasWriting) this.#alive = true
    this.#wasWriting = false
  }

  stop(): void {
    this.#timer.cancel()
  }

  readonly #tick = (): void => {
    const now = this.#clock.monotonic()
    if (this.#alive) this.#askedAt = undefined
    else if (this.#askedAt === undefined) this.#ask(now)
    else if (now - this.#askedAt >= this.#options.timeoutMs) return this.#host.destroy('the peer does not answer')
    this.#alive = false
    this.#wasWriting = this.#host.writing
    this.#timer = this.#clock.timer(this.#nextMs(now), this.#tick)
  }

  #ask(now: number): void {
    if (!this.#options.whenIdle && this.#host.openStreams === 0) return
    this.#askedAt = now
    this.#host.ping(() => {})
  }

  #nextMs(now: number): number {
    if (this.#askedAt === undefined) return this.#options.intervalMs
    const left = this.#askedAt + this.#options.timeoutMs - now
    return Math.min(this.#options.intervalMs, Math.max(1, left))
  }
}
