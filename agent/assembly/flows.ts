import type { Started } from '../../mesh/std/lifecycle.ts'
import type { FlowSource } from '../../mesh/wire/report-sender.ts'
import type { AgentSettings } from '../config.ts'
import type { DataPlane } from '../dataplane/dataplane.ts'
import { startFlowBook } from '../flows/flow-book.ts'
import type { AgentDeps } from './deps.ts'

export interface FlowsDeps extends Pick<AgentDeps, 'clock' | 'log'> {
  readonly started: Started
  readonly dataPlane: Pick<DataPlane, 'takeFlows'>
}

/** Starts what tells the server who calls this host; nothing where the settings say so. */
export function startFlows(
  { clock, log, started, dataPlane }: FlowsDeps,
  settings: Pick<AgentSettings, 'flows'>,
): { readonly flows?: FlowSource } {
  const { report, intervalMs } = settings.flows
  if (!report) return {}
  const flows = startFlowBook({ clock, log, take: () => dataPlane.takeFlows() }, Math.max(intervalMs, shortestMs))
  started.add(() => flows.stop())
  return { flows }
}

const shortestMs = 1_000
