import { derived } from '../../mesh/std/derived.ts'
import type { Started } from '../../mesh/std/lifecycle.ts'
import type { HostState } from '../../mesh/wire/report-sender.ts'
import type { AgentSettings } from '../config.ts'
import type { AgentState } from '../control/agent-state.ts'
import { createChecks } from '../health/checks.ts'
import { createProber } from '../health/prober.ts'
import { declaredBySettings, nameOfNode } from '../registration/declared.ts'
import { createRegistrations } from '../registration/registrations.ts'
import type { AgentDeps } from './deps.ts'

export interface OwnWorkloadsDeps extends AgentDeps {
  readonly started: Started
  readonly state: AgentState
}

/** Starts what this host says of its own workloads: which there are, and whether they are healthy. */
export async function startOwnWorkloads({ started, state, ...deps }: OwnWorkloadsDeps, settings: AgentSettings) {
  const automatic = declaredBySettings(settings)
  const registrations = createRegistrations(
    { log: deps.log, save: kept => state.saveRegistrations(kept) },
    {
      kept: await state.registrations(),
      defaultName: nameOfNode(settings.node),
      ...(automatic !== undefined && { automatic }),
    },
  )
  const prober = createProber({ ...deps, check: createChecks(settings.health) })
  started.add(() => prober.stop())
  const report = derived<HostState>([prober.health, registrations.reported], () => ({
    health: prober.health.value,
    registrations: registrations.reported.value,
  }))
  started.add(() => report.stop())
  return { registrations, prober, report: report.watch }
}
