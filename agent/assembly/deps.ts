import type { Clock, Random } from '../../mesh/std/clock.ts'
import type { Log } from '../../mesh/std/log.ts'

/** What an agent is handed, and what each part of it may have of that. */
export interface AgentDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}
