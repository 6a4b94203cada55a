import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import { h2Error } from './frames.ts'
import type { H2Limits } from './limits.ts'

/** What a peer must do in time: begin to speak, acknowledge our settings, finish what it began. */
export class Deadlines {
  readonly #clock: Clock
  readonly #limits: H2Limits
  readonly #missed: (code: number, reason: string) => void
  readonly #preface: Timer
  readonly #settings: Timer
  #rest: Timer | undefined

  /** The first two deadlines run from now; `missed` is told the error code and why. */
  constructor(clock: Clock, limits: H2Limits, missed: (code: number, reason: string) => void) {
    this.#clock = clock
    this.#limits = limits
    this.#missed = missed
    this.#preface = clock.timer(limits.prefaceTimeoutMs, () => {
      missed(h2Error.protocol, 'the peer did not begin to speak HTTP/2')
    })
    this.#settings = clock.timer(limits.settingsTimeoutMs, () => {
      missed(h2Error.settingsTimeout, 'our settings were not acknowledged')
    })
  }

  began(): void {
    this.#preface.cancel()
  }

  acknowledged(): void {
    this.#settings.cancel()
  }

  /** Told after every read whether the peer owes the rest of a frame or of a header block. */
  owes(rest: boolean): void {
    if (rest === (this.#rest !== undefined)) return
    this.#rest?.cancel()
    this.#rest = rest
      ? this.#clock.timer(this.#limits.headerTimeoutMs, () => {
          this.#missed(h2Error.enhanceYourCalm, 'a frame was not completed in time')
        })
      : undefined
  }

  stop(): void {
    this.#preface.cancel()
    this.#settings.cancel()
    this.#rest?.cancel()
  }
}
