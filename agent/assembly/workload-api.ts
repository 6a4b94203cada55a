import type { Started } from '../../mesh/std/lifecycle.ts'
import type { AgentSettings } from '../config.ts'
import { createCallerFacts } from '../intercept/callers.ts'
import { findCgroupTree } from '../intercept/cgroups.ts'
import { createTools } from '../intercept/tools.ts'
import type { GrantSources } from '../workload-api/grants.ts'
import type { AgentDeps } from './deps.ts'

export interface WorkloadApiParts extends Pick<AgentDeps, 'clock' | 'log'>, GrantSources {
  readonly started: Started
}

/** Opens the Workload API where the settings say so, and gives its addresses. Throws WEFT_LISTEN. */
export async function openWorkloadApi(
  { started, ...deps }: WorkloadApiParts,
  { workloadApi: { socket } }: Pick<AgentSettings, 'workloadApi'>,
): Promise<Readonly<Record<string, string>>> {
  if (socket === '') return {}
  // Loaded when it is needed: gRPC is megabytes that an agent without this does not hold.
  const { startWorkloadApi } = await import('../workload-api/workload-api.ts')
  const facts = createCallerFacts(findCgroupTree(), createTools())
  const api = await startWorkloadApi({ ...deps, facts }, socket)
  started.add(() => api.stop())
  return api.addresses
}
