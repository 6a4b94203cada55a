import { derived } from '../../mesh/std/derived.ts'
import type { Started } from '../../mesh/std/lifecycle.ts'
import type { HostState } from '../../mesh/wire/report-sender.ts'
import type { AgentSettings } from '../config.ts'
import type { AgentState } from '../control/agent-state.ts'
import { createChecks } from '../health/checks.ts'
import { createProber } from '../health/prober.ts'
import type { Certificates } from '../identity/certificates.ts'
import { declaredBySettings, nameOfNode } from '../registration/declared.ts'
import { createRegistrations } from '../registration/registrations.ts'
import type { AgentDeps } from './deps.ts'

export interface OwnWorkloadsDeps extends AgentDeps {
  readonly started: Started
  readonly state: AgentState
  readonly certificates: Pick<Certificates, 'issued'>
}

/** Starts what this host says of itself: which workloads there are, whether they are healthy, whose word it presents. */
export async function startOwnWorkloads(
  { started, state, certificates, ...deps }: OwnWorkloadsDeps,
  settings: AgentSettings,
) {
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
  const report = derived<HostState>([prober.health, registrations.reported, certificates.issued], () => ({
    health: prober.health.value,
    registrations: registrations.reported.value,
    certificates: certificates.issued.value,
  }))
  started.add(() => report.stop())
  return { registrations, prober, report: report.watch }
}
