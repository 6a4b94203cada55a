import type { Clock, Timer } from '../../../mesh/std/clock.ts'

/** Something that must happen in time, again and again. Not started, it costs nothing. */
export class Deadline {
  readonly #clock: Clock
  readonly #ms: number
  readonly #missed: () => void
  #timer: Timer | undefined
  #running = false
  /** Monotonic; the timer fires then or earlier. */
  #due = 0

  constructor(clock: Clock, ms: number, missed: () => void) {
    this.#clock = clock
    this.#ms = ms
    this.#missed = missed
  }

  /** Runs from now on, unless it runs already. */
  start(): void {
    if (this.#running) return
    this.#running = true
    this.#due = this.#clock.monotonic() + this.#ms
    this.#timer ??= this.#clock.timer(this.#ms, this.#fire)
  }

  /** It has happened. The timer stays for the next time: most deadlines are met, one after another. */
  meet(): void {
    this.#running = false
  }

  /** Nothing is to happen any more. */
  stop(): void {
    this.#running = false
    this.#timer?.cancel()
    this.#timer = undefined
  }

  readonly #fire = (): void => {
    this.#timer = undefined
    if (!this.#running) return
    const left = this.#due - this.#clock.monotonic()
    if (left > 0) {
      this.#timer = this.#clock.timer(Math.ceil(left), this.#fire)
      return
    }
    this.#running = false
    this.#missed()
  }
}
