import type { AgentConfig, LocalWorkloadResource } from '../../mesh/model/agent-config.ts'
import type { Probe } from '../../mesh/model/probe.ts'
import type { Clock, Random } from '../../mesh/std/clock.ts'
import type { Log } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { WorkloadHealth } from '../../mesh/wire/messages.ts'
import { describeCheck, explained } from './check.ts'
import type { AnyCheck } from './checks.ts'
import { createLimit } from './limit.ts'
import { type Schedule, startSchedule } from './schedule.ts'
import { type ProbeStatus, stateOf, type WorkloadProbes } from './status.ts'

export interface ProberDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly check: AnyCheck
}

/** Runs the probes of all workloads of this host. */
export interface Prober {
  /** What is decided, ordered by workload; a workload of which nothing is known yet is not in it. */
  readonly health: Watch<readonly WorkloadHealth[]>
  /** Probes what is in this config from now on: what is new begins, what is gone ends, the rest goes on undisturbed. */
  follow(config: Pick<AgentConfig, 'workloads'>): Promise<void>
  status(): readonly WorkloadProbes[]
  stop(): void
}

/** Checks that may run at once on a host, whatever its number of workloads. */
const maxAtOnce = 32
/** A reason that changes with every failure is not news each time. */
const reasonEveryMs = 30_000

interface Run {
  readonly probe: Probe
  readonly schedule: Schedule
}

interface Probed {
  readonly address: string
  /** By what the probe says. */
  readonly runs: Map<string, Run>
  told: WorkloadHealth | undefined
  toldAt: number
}

/** Makes the prober; it has nothing to probe yet. */
export function createProber(deps: ProberDeps): Prober {
  const { clock, log } = deps
  const limit = createLimit(maxAtOnce)
  const health = new Watch<readonly WorkloadHealth[]>([])
  const probed = new Map<string, Probed>()

  function follow(workload: LocalWorkloadResource): void {
    const { id, address } = workload
    const before = probed.get(id)
    // At another address it is another process, of which nothing is known.
    if (before !== undefined && before.address !== address) forget(id)
    const one = probed.get(id) ?? { address, runs: new Map(), told: undefined, toldAt: 0 }
    probed.set(id, one)
    const wanted = new Map(workload.probes.map(probe => [JSON.stringify(probe), probe]))
    for (const [key, { schedule }] of one.runs) {
      if (wanted.has(key)) continue
      schedule.stop()
      one.runs.delete(key)
    }
    for (const [key, probe] of wanted) {
      if (one.runs.has(key)) continue
      const schedule = startSchedule({ ...deps, limit }, probe, address, () => conclude(id, one))
      one.runs.set(key, { probe, schedule })
    }
    conclude(id, one)
  }

  /** A workload is unhealthy as soon as one probe says so, and healthy when all do; until then it stays what it was. */
  function conclude(id: string, one: Probed): void {
    const runs = [...one.runs.values()]
    const sick = runs.find(({ schedule }) => schedule.verdict.healthy === false)
    const well = sick === undefined && runs.every(({ schedule }) => schedule.verdict.healthy === true)
    if (sick === undefined && !well) return
    const what = sick === undefined ? '' : describeCheck(sick.probe.check, one.address)
    const reason = sick === undefined ? '' : explained(what, sick.schedule.verdict.reason)
    const { told } = one
    if (told?.healthy === well) {
      if (told.reason === reason || clock.monotonic() - one.toldAt < reasonEveryMs) return
    } else if (well) log.info('workload is healthy', { workload: id })
    else log.warn('workload is unhealthy', { workload: id, reason })
    one.told = { workload: id, healthy: well, reason }
    one.toldAt = clock.monotonic()
    publish()
  }

  function publish(): void {
    const all = [...probed.values()].flatMap(({ told }) => told ?? [])
    health.set(all.sort((a, b) => (a.workload < b.workload ? -1 : 1)))
  }

  function forget(id: string): void {
    for (const { schedule } of probed.get(id)?.runs.values() ?? []) schedule.stop()
    probed.delete(id)
  }

  return {
    health,
    async follow({ workloads }) {
      const withProbes = workloads.filter(({ probes }) => probes.length > 0)
      const wanted = new Set(withProbes.map(({ id }) => id))
      const gone = [...probed.keys()].filter(id => !wanted.has(id))
      for (const id of gone) forget(id)
      for (const workload of withProbes) follow(workload)
      if (health.value.some(({ workload }) => probed.get(workload)?.told === undefined)) publish()
    },
    status() {
      const sorted = [...probed].sort(([a], [b]) => (a < b ? -1 : 1))
      return sorted.map(([workload, { address, runs, told }]) => ({
        workload,
        state: stateOf(told?.healthy),
        probes: [...runs.values()].map(run => probeStatus(run, address)),
      }))
    },
    stop() {
      for (const id of [...probed.keys()]) forget(id)
    },
  }
}

function probeStatus({ probe, schedule }: Run, address: string): ProbeStatus {
  const { verdict, lastAt } = schedule
  return {
    check: describeCheck(probe.check, address),
    state: stateOf(verdict.healthy),
    ...(verdict.last?.healthy === false && { failure: verdict.last.reason }),
    ...(lastAt !== undefined && { lastAt: new Date(lastAt).toISOString() }),
  }
}
