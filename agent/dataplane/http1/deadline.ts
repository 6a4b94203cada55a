import type { Clock, Timer } from '../../../mesh/std/clock.ts'

/** Something that must happen in time. Not started, it costs nothing. */
export class Deadline {
  readonly #clock: Clock
  readonly #ms: number
  readonly #missed: () => void
  #timer: Timer | undefined

  constructor(clock: Clock, ms: number, missed: () => void) {
    this.#clock = clock
    this.#ms = ms
    this.#missed = missed
  }

  /** Runs from now on, unless it runs already. */
  start(): void {
    this.#timer ??= this.#clock.timer(this.#ms, this.#fire)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  readonly #fire = (): void => {
    this.#timer = undefined
    this.#missed()
  }
}
