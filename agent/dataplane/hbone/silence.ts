import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import { h2Error } from '../h2/frames.ts'

/** How often requests without a response are looked at, in milliseconds. */
const lookMs = 500
/** A request that has seen so many looks raises the question whether the peer is there: after 1.5 to 2 s. */
const doubtLooks = 4
/** So many more without a sign of life, and it is not. */
const patienceLooks = 3

/** With this code the streams are reset that a silent peer will not answer: nothing of a response has come. */
export const silentPeerCode = h2Error.connect

/** What is watched: the requests of one session. */
export interface WatchedSession {
  /** Bytes the peer has sent so far: any more of them is a sign of life. */
  readonly bytesHeard: number
  /** Asks the peer for a sign of life. */
  ask(): void
  /** See H2Connection. */
  lookAtUnanswered(): number
  giveUpUnanswered(looks: number, code: number, reason: string): void
}

/**
 * Notices that a peer has vanished while requests wait for their response: as with tunnels a doubt, a question, and the
 * end. A peer that is there may take as long as it likes. One timer for the whole session, and none while nothing waits.
 */
export class SilenceWatch {
  readonly #clock: Clock
  readonly #session: WatchedSession
  readonly #gaveUp: () => void
  #timer: Timer | undefined
  #heard = 0
  /** Looks since the question, or -1. */
  #asked = -1

  /** `gaveUp` is called each time requests were given up. */
  constructor(clock: Clock, session: WatchedSession, gaveUp: () => void) {
    this.#clock = clock
    this.#session = session
    this.#gaveUp = gaveUp
  }

  /** A request was sent. */
  sent(): void {
    if (this.#timer === undefined) this.#start()
  }

  stop(): void {
    this.#timer?.cancel()
  }

  #start(): void {
    this.#timer = this.#clock.timer(lookMs, this.#look)
  }

  readonly #look = (): void => {
    this.#timer = undefined
    const oldest = this.#session.lookAtUnanswered()
    const heard = this.#session.bytesHeard
    const silent = heard === this.#heard
    this.#heard = heard
    if (oldest === 0) {
      this.#asked = -1
      return
    }
    if (!silent || oldest < doubtLooks) this.#asked = -1
    else if (this.#asked < 0) this.#ask()
    else this.#wait()
    this.#start()
  }

  #ask(): void {
    this.#asked = 0
    this.#session.ask()
  }

  #wait(): void {
    this.#asked += 1
    if (this.#asked < patienceLooks) return
    const waited = doubtLooks + patienceLooks
    const seconds = ((waited - 1) * lookMs) / 1000
    this.#session.giveUpUnanswered(waited, silentPeerCode, `the peer has been silent for ${seconds} s`)
    this.#gaveUp()
  }
}
