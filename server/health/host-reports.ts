import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../mesh/std/clock.ts'
import { type Table, tableOf } from '../../mesh/std/table.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { HostReport, Registration, WorkloadHealth } from '../../mesh/wire/messages.ts'

/** What one node says about one workload. */
export interface ProbedHealth {
  readonly node: string
  readonly healthy: boolean
  /** One line, at most 200 characters. */
  readonly reason: string
  /** Since when it is healthy or unhealthy, in milliseconds since 1970. */
  readonly since: number
}

/** The workloads that a node declares itself. */
export interface NodeRegistrations {
  readonly node: string
  readonly connected: boolean
  /** In milliseconds since 1970; absent while it is connected. */
  readonly disconnectedAt?: number
  readonly registrations: readonly Registration[]
}

/** What every node said last about its own workloads. */
export interface HostReports {
  /**
   * By workload id, ordered by node: nothing stops a node from speaking of workloads that are not its own, and its
   * words must not displace those of the node that has them. See {@link probedHealth}.
   */
  readonly health: Watch<Table<readonly ProbedHealth[]>>
  /** By node. */
  readonly registrations: Watch<Table<NodeRegistrations>>
  /** Takes a report of an authenticated node in place of its last one. */
  report(node: string, report: HostReport): void
  /** The node is not connected any more. */
  left(node: string): void
}

/** What may be believed about a workload: only what the node it sits on says. */
export function probedHealth(
  health: Table<readonly ProbedHealth[]>,
  workload: { readonly id: string; readonly node?: string },
): ProbedHealth | undefined {
  return health.get(workload.id)?.find(({ node }) => node === workload.node)
}

const maxReasonLength = 200

/**
 * Keeps the last report of every node. It does not judge: whether a node has the workload it speaks of, and whether a
 * registration is allowed, is decided by who reads this. The health of a node that is gone stays until the node reports
 * again, because a lost control channel is no sick workload. Memory is bounded by the number of nodes that have joined
 * times what one report may hold.
 */
export function createHostReports({ clock }: { readonly clock: Clock }): HostReports {
  const health = new Watch<Table<readonly ProbedHealth[]>>(tableOf())
  const registrations = new Watch<Table<NodeRegistrations>>(tableOf())
  const spokenOf = new Map<string, ReadonlySet<string>>()

  function takeHealth(node: string, said: readonly WorkloadHealth[]): void {
    const now = clock.now()
    const table = health.value
    const workloads = new Set(said.map(({ workload }) => workload))
    const changes: [string, readonly ProbedHealth[] | undefined][] = []
    for (const { workload, healthy, reason: whole } of said) {
      const reason = whole.slice(0, maxReasonLength).toWellFormed()
      const before = table.get(workload)?.find(one => one.node === node)
      if (before?.healthy === healthy && before.reason === reason) continue
      const since = before?.healthy === healthy ? before.since : now
      changes.push([workload, replaced(table.get(workload), node, { node, healthy, reason, since })])
    }
    for (const workload of spokenOf.get(node) ?? []) {
      if (!workloads.has(workload)) changes.push([workload, replaced(table.get(workload), node, undefined)])
    }
    spokenOf.set(node, workloads)
    health.set(table.with(changes))
  }

  function takeRegistrations(entry: NodeRegistrations): void {
    if (isDeepStrictEqual(registrations.value.get(entry.node), entry)) return
    registrations.set(registrations.value.with([[entry.node, entry]]))
  }

  return {
    health,
    registrations,
    report(node, report) {
      takeHealth(node, report.health)
      takeRegistrations({ node, connected: true, registrations: report.registrations })
    },
    left(node) {
      const entry = registrations.value.get(node)
      if (entry !== undefined) takeRegistrations({ ...entry, connected: false, disconnectedAt: clock.now() })
    },
  }
}

function replaced(
  claims: readonly ProbedHealth[] | undefined,
  node: string,
  claim: ProbedHealth | undefined,
): readonly ProbedHealth[] | undefined {
  const others = claims?.filter(one => one.node !== node) ?? []
  const all = claim === undefined ? others : [...others, claim].sort((a, b) => (a.node < b.node ? -1 : 1))
  return all.length === 0 ? undefined : all
}
