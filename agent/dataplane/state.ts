import type { Clock, Random } from '../../mesh/std/clock.ts'
import type { HbonePool } from './hbone/pool.ts'
import type { Table } from './table.ts'
import type { Telemetry } from './telemetry/telemetry.ts'
import type { TlsContexts } from './tls-contexts.ts'

/**
 * What one data thread decides by. `table` and `contexts` are replaced whole; whoever handles a connection reads each
 * once and keeps it.
 */
export interface ThreadState {
  table: Table | undefined
  contexts: TlsContexts
  draining: boolean
  readonly pool: HbonePool
  readonly telemetry: Telemetry
  readonly clock: Clock
  readonly random: Random
}
