import type { Clock, Random } from '../../mesh/std/clock.ts'
import type { Started } from '../../mesh/std/lifecycle.ts'
import type { Log } from '../../mesh/std/log.ts'

/** What a server is handed. */
export interface ServerDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** What each part is handed of that, and where it says how it is stopped. */
export interface PartDeps extends ServerDeps {
  readonly started: Started
}
