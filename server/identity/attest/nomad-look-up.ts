import type { Clock } from '../../../mesh/std/clock.ts'
import { createNomadClient } from '../../../registry-adapters/nomad/client/client.ts'
import type { NomadOptions } from '../../../registry-adapters/nomad/client/options.ts'
import { checkAdapterOptions } from '../../../registry-adapters/nomad/options.ts'
import { createReads } from '../../../registry-adapters/nomad/reads.ts'
import type { NomadLookUp } from './nomad.ts'

/** Asks a Nomad agent, always the leader; opens nothing before it is asked. Throws WEFT_CONFIG_INVALID. */
export function createNomadLookUp(
  client: Omit<NomadOptions, 'maxSockets'>,
  { clock }: { readonly clock: Clock },
): NomadLookUp & { close(): void } {
  const connection = createNomadClient({ ...client, maxSockets: 4 }, { clock })
  const reads = createReads(connection, checkAdapterOptions({ client, stale: false }))
  return {
    allocation: async (id, signal) => (await reads.allocation(id, signal))?.allocation,
    node: (id, signal) => reads.node(id, signal),
    close: () => connection.close(),
  }
}
