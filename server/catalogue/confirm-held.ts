import { isIPv4 } from 'node:net'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { type Clock, sleep } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Table } from '../../mesh/std/table.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import { type NodeRegistrations, type ProbedHealth, probedHealth } from '../health/host-reports.ts'
import type { RegistryView } from './registry-view.ts'

export interface ConfirmHeldDeps {
  readonly clock: Clock
  readonly log: Log
  readonly views: readonly Pick<RegistryView, 'name' | 'snapshot' | 'held' | 'found'>[]
  /** What the hosts' agents found out: they look after what is held on their hosts. */
  readonly probed: Watch<Table<readonly ProbedHealth[]>>
  readonly reporting: Watch<Table<NodeRegistrations>>
  /** Whether somebody takes a TCP connection there. */
  answers(address: string, port: number, signal: AbortSignal): Promise<boolean>
}

/** How often what is held is asked, and how often in a row it must not answer to be gone. */
const periodMs = 2000
const failures = 2
/** So many rounds an agent has to find out; one that knows no port of the workload never does. */
const patience = 3
const maxOpen = 32

/** By workload id: how often in a row it has not answered, and how often its agent could not tell. */
interface Rounds {
  readonly silent: ReadonlyMap<string, number>
  readonly unknown: ReadonlyMap<string, number>
}

/**
 * Asks the workloads that vanished from a registry whether they are still there, for as long as they are held: their
 * own host's agent where it is in touch, because it sees past the capture of traffic, else, and where that does not know
 * the workload's ports because no service uses them, by a connection from here.
 * What answers stays, what does not is let go of.
 */
export function startConfirmHeld(deps: ConfirmHeldDeps): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const { signal } = stopping
  const follow = async (view: ConfirmHeldDeps['views'][number]): Promise<void> => {
    let rounds: Rounds = { silent: new Map(), unknown: new Map() }
    for await (const _ of view.held.changes(signal)) {
      while (view.held.value.size > 0 && !signal.aborted) {
        try {
          rounds = await ask(view, rounds)
        } catch (error) {
          deps.log.error('what is held could not be asked', { registry: view.name, error: describeError(error) })
        }
        await sleep(deps.clock, periodMs, signal)
      }
      rounds = { silent: new Map(), unknown: new Map() }
    }
  }

  /** One round, after what came of the ones before. */
  const ask = async (view: ConfirmHeldDeps['views'][number], before: Rounds): Promise<Rounds> => {
    const ports = portsOf(view.snapshot.value)
    const answers = new Map<string, boolean>()
    const silent = new Map<string, number>()
    const unknown = new Map<string, number>()
    const open = [...view.held.value.values()]
    const work = async () => {
      for (let workload = open.pop(); workload !== undefined && !signal.aborted; workload = open.pop()) {
        const { id } = workload
        const agentsWord = wordOfAgent(workload)
        const rounds = agentsWord === 'unknown' ? (before.unknown.get(id) ?? 0) + 1 : 0
        if (rounds > 0) unknown.set(id, rounds)
        if (rounds > 0 && rounds < patience) continue
        const asked = typeof agentsWord === 'boolean' ? agentsWord : await connects(workload, ports.get(id) ?? [])
        if (asked === true) answers.set(id, true)
        if (asked !== false) continue
        const times = (before.silent.get(id) ?? 0) + 1
        silent.set(id, times)
        if (times >= failures) answers.set(id, false)
      }
    }
    await Promise.all(Array.from({ length: maxOpen }, work))
    if (!signal.aborted) view.found(answers)
    return { silent, unknown }
  }

  /** What the agent of its host found out, where that is in touch. */
  const wordOfAgent = (workload: Workload): boolean | 'unknown' | 'nobody' => {
    const { node } = workload
    if (node === undefined || deps.reporting.value.get(node)?.connected !== true) return 'nobody'
    return probedHealth(deps.probed.value, workload)?.healthy ?? 'unknown'
  }

  /** Undefined when that cannot be tried from here. */
  const connects = async ({ address }: Workload, ports: readonly number[]): Promise<boolean | undefined> => {
    if (ports.length === 0 || isLoopback(address)) return undefined
    const found = await Promise.all(ports.map(port => deps.answers(address, port, signal)))
    return found.includes(true)
  }

  const running = Promise.all(deps.views.map(follow))
  return {
    async stop() {
      stopping.abort()
      await running
    },
  }
}

/** A loopback address means the workload's own host, which is not this one. */
function isLoopback(address: string): boolean {
  return isIPv4(address) ? address.startsWith('127.') : address === '::1'
}

function portsOf(view: RegistrySnapshot | undefined): ReadonlyMap<string, readonly number[]> {
  const ports = new Map<string, number[]>()
  for (const service of view?.services.values() ?? []) {
    for (const endpoint of service.endpoints) {
      const known = ports.get(endpoint.workload) ?? []
      ports.set(endpoint.workload, [...new Set([...known, ...Object.values(endpoint.ports)])])
    }
  }
  return ports
}
