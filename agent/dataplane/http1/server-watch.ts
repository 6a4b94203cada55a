import type { Clock } from '../../../mesh/std/clock.ts'
import { Deadline } from './deadline.ts'
import type { Http1Limits } from './limits.ts'

/** An idle connection is noticed by this part of the limit. */
const idleLooks = 4

/**
 * Notices a client that is slow with a body, and a connection that nobody uses. Counting is all that an exchange costs.
 */
export class ServerWatch {
  /** Payload bytes, and exchanges, since the last look. */
  bytes = 0
  exchanges = 0
  readonly #limits: Http1Limits
  readonly #body: Deadline
  readonly #idle: Deadline
  #idleLooks = 0

  /** `holdsBack` says whether it is us who do not read; `busy`, whether an exchange is under way. */
  constructor(
    limits: Http1Limits,
    clock: Clock,
    host: { readonly holdsBack: boolean; readonly openStreams: number; tooSlow(): void; unused(): void },
  ) {
    this.#limits = limits
    this.#body = new Deadline(clock, limits.bodyCheckMs, () => {
      const enough = this.bytes >= this.#limits.bodyBytesPerCheck || host.holdsBack
      this.bytes = 0
      if (enough) this.#body.start()
      else host.tooSlow()
    })
    this.#idle = new Deadline(clock, limits.idleMs / idleLooks, () => {
      this.#idleLooks = this.exchanges === 0 && host.openStreams === 0 ? this.#idleLooks + 1 : 0
      this.exchanges = 0
      if (this.#idleLooks >= idleLooks) host.unused()
      else this.#idle.start()
    })
    this.#idle.start()
  }

  /** Told after every read whether the rest of a body is to come. */
  owesBody(owed: boolean): void {
    if (owed) this.#body.start()
    else this.#body.meet()
  }

  stop(): void {
    this.#body.stop()
    this.#idle.stop()
  }
}
