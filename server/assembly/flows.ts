import { join } from 'node:path'
import type { CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import { flowFiles } from '../flows/flow-files.ts'
import { type FlowStore, openFlowStore, servedBy } from '../flows/flow-store.ts'
import type { PartDeps } from './deps.ts'

export interface FlowsDeps extends Pick<PartDeps, 'clock' | 'log' | 'started'> {
  readonly snapshot: Watch<CatalogueSnapshot>
}

/** Opens what keeps the calls that agents have seen, in the data directory. */
export async function startFlows(
  { clock, log, started, snapshot }: FlowsDeps,
  { dataDir }: { readonly dataDir: string },
): Promise<FlowStore> {
  const flows = await openFlowStore({
    clock,
    log,
    files: flowFiles(join(dataDir, 'flows'), log),
    serves: (node, flow) => servedBy(snapshot.value, node, flow),
  })
  started.add(() => flows.stop())
  return flows
}
