import { isDeepStrictEqual } from 'node:util'
import type { Clock, Timer } from '../../mesh/std/clock.ts'
import { canonicalAddress } from '../../mesh/std/ip-address.ts'
import type { Log } from '../../mesh/std/log.ts'
import { changedKeys, type Table, tableOf } from '../../mesh/std/table.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { Registration } from '../../mesh/wire/messages.ts'
import type { NodeRegistrations } from '../health/host-reports.ts'
import type { RegistrationRecord } from '../store/store.ts'

export interface KeeperDeps {
  readonly clock: Clock
  readonly log: Log
  /** What connected nodes said last, by node. */
  readonly reports: Watch<Table<NodeRegistrations>>
  /** Brings the registrations of a node to the store, in the background. */
  save(node: string, registrations: readonly RegistrationRecord[]): void
}

export interface KeeperOptions {
  /** What was kept when this server ran last. */
  readonly kept: readonly RegistrationRecord[]
  /** How long the registrations of a node outlive its connection. */
  readonly graceMs: number
}

/** The registrations in force. It does not judge them. */
export interface RegistrationKeeper {
  /** By node; nodes without any are not in it. */
  readonly nodes: Watch<Table<readonly RegistrationRecord[]>>
  /** True for what ended because its node fell silent: nobody said that it is gone. */
  isLost(node: string, name: string): boolean
  stop(): void
}

/**
 * Agents that have lost their server try again every 30 s at the latest: after a start, and whenever nobody was
 * connected, all of them get this long.
 */
const returnMs = 60_000

/**
 * Keeps what hosts register: as long as they are connected, and for a grace time after that; what a report does not
 * name any more ends at once. While no node at all is connected no time runs: then it is this server that is cut off.
 */
export function startRegistrationKeeper(deps: KeeperDeps, options: KeeperOptions): RegistrationKeeper {
  const { clock, log } = deps
  const graceMs = { gone: options.graceMs, back: Math.max(options.graceMs, returnMs) }
  const kept = Map.groupBy(options.kept, ({ node }) => node)
  const nodes = new Watch<Table<readonly RegistrationRecord[]>>(tableOf(kept))
  const connected = new Set<string>()
  /** When the registrations of a node that is not connected end, on the monotonic clock. */
  const ends = new Map<string, number>([...kept.keys()].map(node => [node, clock.monotonic() + graceMs.back]))
  const lost = new Map<string, ReadonlySet<string>>()
  let timer: Timer | undefined
  let seen: Table<NodeRegistrations> = tableOf()

  function take(reports: Table<NodeRegistrations>): void {
    const alone = connected.size === 0
    const changes: (readonly [string, readonly RegistrationRecord[] | undefined])[] = []
    for (const node of changedKeys(seen, reports)) {
      const report = reports.get(node)
      if (report?.connected !== true) {
        connected.delete(node)
        if (nodes.value.has(node) && !ends.has(node)) ends.set(node, clock.monotonic() + graceMs.gone)
        continue
      }
      connected.add(node)
      ends.delete(node)
      lost.delete(node)
      const before = nodes.value.get(node) ?? []
      const now = report.registrations.map(one => recordOf(one, node, before, clock.now()))
      if (isDeepStrictEqual(before, now)) continue
      changes.push([node, now.length === 0 ? undefined : now])
      deps.save(node, now)
    }
    seen = reports
    if (alone && connected.size > 0) {
      for (const node of ends.keys()) ends.set(node, clock.monotonic() + graceMs.back)
    }
    nodes.set(nodes.value.with(changes))
    schedule()
  }

  function schedule(): void {
    timer?.cancel()
    timer = undefined
    if (connected.size === 0 || ends.size === 0) return
    timer = clock.timer(Math.min(...ends.values()) - clock.monotonic(), expire)
  }

  function expire(): void {
    const over = [...ends].filter(([, end]) => end <= clock.monotonic()).map(([node]) => node)
    for (const node of over) {
      const names = (nodes.value.get(node) ?? []).map(({ name }) => name)
      log.warn('the registrations of a host end, its agent is not connected', { node, names })
      lost.set(node, new Set(names))
      ends.delete(node)
      deps.save(node, [])
    }
    nodes.set(nodes.value.with(over.map(node => [node, undefined])))
    schedule()
  }

  const unsubscribe = deps.reports.subscribe(take)
  take(deps.reports.value)
  return {
    nodes,
    isLost: (node, name) => lost.get(node)?.has(name) === true,
    stop() {
      unsubscribe()
      timer?.cancel()
    },
  }
}

/** With another group or address it is another claim: whoever has that already comes first. */
function recordOf(
  one: Registration,
  node: string,
  before: readonly RegistrationRecord[],
  now: number,
): RegistrationRecord {
  const { name, group } = one
  const address = canonicalAddress(one.address) ?? one.address
  const same = before.find(had => had.name === name && had.group === group && had.address === address)
  return { ...one, address, node, since: same?.since ?? now }
}
