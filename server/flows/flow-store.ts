import { addFlows, type Flow, flowKey, maxFlows, newestFlows, type SeenFlow } from '../../mesh/flows/flow.ts'
import { parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { Clock, Timer } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { FlowFiles } from './flow-files.ts'

/** What the agent of one node has seen. */
export interface NodeFlows {
  readonly node: string
  /** When it first told of any; milliseconds since 1970. */
  readonly since: number
  readonly flows: readonly SeenFlow[]
}

/** Calls that agents have seen, by node: bounded, kept over restarts, forgotten when they are old. */
export interface FlowStore {
  /** Takes a node's news; what is not of its own workloads is left out. */
  report(node: string, flows: readonly SeenFlow[]): void
  /** Ordered by node. */
  all(): readonly NodeFlows[]
  stop(): Promise<void>
}

export interface FlowStoreDeps {
  readonly clock: Clock
  readonly log: Log
  readonly files: FlowFiles
  /** Whether the flow's workload is on the node and serves the flow's port for its service. */
  serves(node: string, flow: Flow): boolean
}

/** How long a flow is remembered after it was last seen. */
export const flowRetentionMs = 30 * 24 * 3_600_000
const saveEveryMs = 60_000

interface Held {
  readonly since: number
  flows: Map<string, SeenFlow>
}

/** Reads what was kept; a file that cannot be read is logged and begun anew. */
export async function openFlowStore({ clock, log, files, serves }: FlowStoreDeps): Promise<FlowStore> {
  const nodes = new Map<string, Held>()
  for (const { node, since, flows } of await files.read()) {
    nodes.set(node, { since, flows: new Map(flows.map(flow => [flowKey(flow), flow])) })
  }
  const unsaved = new Set<string>()
  let saving = Promise.resolve()
  let timer: Timer = clock.timer(saveEveryMs, tick)

  function tick(): void {
    timer = clock.timer(saveEveryMs, tick)
    saving = saving.then(save)
  }

  async function save(): Promise<void> {
    for (const node of nodes.keys()) forget(node)
    for (const node of [...unsaved]) {
      unsaved.delete(node)
      try {
        await files.write(node, shown(node))
      } catch (error) {
        unsaved.add(node)
        log.warn('the calls that were seen are not saved', { node, error: describeError(error) })
      }
    }
  }

  function forget(node: string): void {
    const held = nodes.get(node)
    const oldest = clock.now() - flowRetentionMs
    for (const [key, { lastSeen }] of held?.flows ?? []) {
      if (lastSeen >= oldest) continue
      held?.flows.delete(key)
      unsaved.add(node)
    }
    if (held?.flows.size === 0) nodes.delete(node)
  }

  function shown(node: string): NodeFlows | undefined {
    const held = nodes.get(node)
    return held && { node, since: held.since, flows: [...held.flows.values()] }
  }

  return {
    report(node, flows) {
      const now = clock.now()
      // a clock that is wrong must not make a flow stay for good
      const own = flows.filter(flow => hasCaller(flow) && serves(node, flow)).map(flow => notAfter(flow, now))
      if (own.length === 0) return
      const held = nodes.get(node) ?? { since: now, flows: new Map<string, SeenFlow>() }
      for (const flow of own) {
        const key = flowKey(flow)
        const before = held.flows.get(key)
        held.flows.set(key, before === undefined ? flow : addFlows(before, flow))
      }
      if (held.flows.size > maxFlows) held.flows = newestFlows(held.flows, maxFlows)
      nodes.set(node, held)
      unsaved.add(node)
    },
    all: () => [...nodes.keys()].sort().flatMap(node => shown(node) ?? []),
    async stop() {
      timer.cancel()
      await saving.then(save)
    },
  }
}

/** Whether its caller is one that policies can be asked about. */
function hasCaller({ caller }: Flow): boolean {
  if (caller === '') return true
  try {
    return parseSpiffeId(caller).kind === 'workload'
  } catch {
    return false
  }
}

function notAfter(flow: SeenFlow, now: number): SeenFlow {
  return { ...flow, firstSeen: Math.min(flow.firstSeen, now), lastSeen: Math.min(flow.lastSeen, now) }
}

/** What a catalogue says of flows: see {@link FlowStoreDeps.serves}. */
export function servedBy(
  catalogue: {
    readonly workloads: { get(id: string): Pick<Workload, 'node'> | undefined }
    readonly services: {
      get(key: string):
        | {
            readonly endpoints: readonly {
              readonly workload: string
              readonly ports: Readonly<Record<string, number>>
            }[]
          }
        | undefined
    }
  },
  node: string,
  { workload, service, port }: Flow,
): boolean {
  if (catalogue.workloads.get(workload)?.node !== node) return false
  const endpoints = catalogue.services.get(service)?.endpoints ?? []
  return endpoints.some(one => one.workload === workload && Object.values(one.ports).includes(port))
}
