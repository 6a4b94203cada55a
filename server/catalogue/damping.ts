import { isDeepStrictEqual } from 'node:util'
import { emptySnapshot, type RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { changed } from '../../mesh/model/sharing.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { Clock, Timer } from '../../mesh/std/clock.ts'
import { changedKeys } from '../../mesh/std/table.ts'

/** Each change of health adds 1 to a workload's penalty, which halves in this time. */
const halfLifeMs = 10_000
/** With a penalty above this a workload is flapping; below the other one it is steady again. */
const suppressAt = 4
const reuseAt = 1

/** Keeps workloads whose health never settles from changing what every agent has, several times a second. */
export interface Damping {
  /** The view with a steady health for those that are flapping. */
  damp(view: RegistrySnapshot): RegistrySnapshot
  readonly flapping: number
  stop(): void
}

interface Flips {
  penalty: number
  at: number
  timer: Timer | undefined
}

/**
 * A flapping workload is shown as unhealthy until it has settled (route flap damping, RFC 2439, with its two limits),
 * as long as half of its like, the workloads of its name, are steady. With more of them flapping it is the registry
 * that cannot make up its mind, and all are shown as healthy: the connections themselves will tell.
 */
export function createDamping(clock: Clock, settled: () => void): Damping {
  const flips = new Map<string, Flips>()
  const flapping = new Map<string, Set<string>>()
  const sizes = new Map<string, number>()
  let seen = emptySnapshot
  let damped = emptySnapshot
  const unsettled = new Set<string>()

  const penaltyOf = ({ penalty, at }: Flips) => penalty * 2 ** ((at - clock.monotonic()) / halfLifeMs)

  const end = (id: string, group: string): void => {
    flips.get(id)?.timer?.cancel()
    flips.delete(id)
    const others = flapping.get(group)
    if (others?.delete(id)) for (const other of others) unsettled.add(other)
    if (others?.size === 0) flapping.delete(group)
  }

  const flip = (id: string, group: string): void => {
    const had = flips.get(id)
    const now = { penalty: (had === undefined ? 0 : penaltyOf(had)) + 1, at: clock.monotonic(), timer: had?.timer }
    flips.set(id, now)
    if (now.penalty <= suppressAt && !isFlapping(id, group)) return
    const others = flapping.get(group) ?? new Set()
    flapping.set(group, others.add(id))
    for (const other of others) unsettled.add(other)
    now.timer?.cancel()
    now.timer = clock.timer(halfLifeMs * Math.log2(now.penalty / reuseAt), () => {
      end(id, group)
      unsettled.add(id)
      settled()
    })
  }

  const isFlapping = (id: string, group: string) => flapping.get(group)?.has(id) === true

  const shown = (workload: Workload | undefined): Workload | undefined => {
    if (workload === undefined || workload.health === 'draining') return workload
    const group = groupOf(workload)
    const count = flapping.get(group)?.size ?? 0
    if (!isFlapping(workload.id, group)) return workload
    const health = 2 * count > (sizes.get(group) ?? 0) ? 'healthy' : 'unhealthy'
    const steady: Workload = { ...workload, health, healthReason: 'flapping: its health keeps changing' }
    const before = damped.workloads.get(workload.id)
    return isDeepStrictEqual(before, steady) ? before : steady
  }

  const resize = (group: string, by: number): void => {
    const size = (sizes.get(group) ?? 0) + by
    if (size > 0) sizes.set(group, size)
    else sizes.delete(group)
    for (const other of flapping.get(group) ?? []) unsettled.add(other)
  }

  return {
    damp(view) {
      for (const id of changedKeys(seen.workloads, view.workloads)) {
        const [had, has] = [seen.workloads.get(id), view.workloads.get(id)]
        unsettled.add(id)
        if (had !== undefined && (has === undefined || groupOf(has) !== groupOf(had))) {
          end(id, groupOf(had))
          resize(groupOf(had), -1)
        }
        if (has !== undefined && (had === undefined || groupOf(has) !== groupOf(had))) resize(groupOf(has), 1)
        if (had !== undefined && has !== undefined && had.health !== has.health) flip(id, groupOf(has))
      }
      seen = view
      const workloads = damped.workloads.with([...unsettled].map(id => [id, shown(view.workloads.get(id))]))
      unsettled.clear()
      damped = changed(damped, { workloads, services: view.services, problems: view.problems })
      return damped
    },
    get flapping() {
      return [...flapping.values()].reduce((sum, ids) => sum + ids.size, 0)
    },
    stop() {
      for (const { timer } of flips.values()) timer?.cancel()
    },
  }
}

function groupOf({ namespace, name }: Workload): string {
  return `${namespace}/${name}`
}
