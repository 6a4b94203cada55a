import { networkInterfaces } from 'node:os'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { AgentSettings } from '../config.ts'
import type { DataPlane } from '../dataplane/dataplane.ts'
import type { BoundListener } from '../dataplane/messages.ts'
import type { PortAssignment } from './agent-state.ts'
import { type Ipv6Support, listenerIdentity, listenersOf, refusedListeners } from './listener-plan.ts'
import { assignPorts, callerIdentities } from './port-assignment.ts'

export interface ListenerSetDeps {
  readonly log: Log
  readonly dataPlane: Pick<DataPlane, 'listen'>
  /** Keeps an assignment that has changed; must not throw. */
  save(ports: PortAssignment): void
}

export interface ListenerSetOptions {
  readonly ports: AgentSettings['ports']
  /** Of earlier runs. */
  readonly assigned: PortAssignment
}

/** The data plane's sockets, as a config needs them. */
export interface ListenerSet {
  /** Opens and closes listeners until they are those of the config; failures are kept in {@link ListenerSet.bound}. */
  open(config: AgentConfig): Promise<void>
  ports(): PortAssignment
  /** What is open, and what could not be opened and why. */
  bound(): readonly BoundListener[]
}

/** How often another port is tried for a workload whose port someone else holds. */
const maxAttempts = 8

/** Makes the set; nothing is open yet. */
export function createListenerSet(deps: ListenerSetDeps, options: ListenerSetOptions): ListenerSet {
  const { workloadBase, ...fixed } = options.ports
  const blocked = new Set(Object.values(fixed))
  let assigned = options.assigned
  let bound: readonly BoundListener[] = []

  function assign(config: AgentConfig): void {
    let next: PortAssignment
    try {
      next = assignPorts(callerIdentities(config), assigned, workloadBase, blocked)
    } catch (error) {
      // Those that have a port keep it; callers of the others go to the default listener, which refuses or speaks for
      // the host, never for another workload.
      deps.log.error('no port is left for a workload', { code: 'WEFT_LISTEN', error: describeError(error) })
      return
    }
    const isSame = next.size === assigned.size && [...next].every(([identity, port]) => assigned.get(identity) === port)
    assigned = next
    if (!isSame) deps.save(next)
  }

  /** Ports of workloads that something else holds, taken out of the assignment. */
  function blockTaken(): boolean {
    const identities = new Set(
      bound.flatMap(one => (one.error === undefined ? [] : (listenerIdentity(one.name) ?? []))),
    )
    for (const identity of identities) {
      const port = assigned.get(identity)
      if (port === undefined) continue
      deps.log.warn('the port of a workload is taken, trying another', { identity, port })
      blocked.add(port)
    }
    return identities.size > 0
  }

  return {
    async open(config) {
      for (let attempt = 1; ; attempt += 1) {
        assign(config)
        bound = await deps.dataPlane.listen(listenersOf(config, assigned, options.ports, ipv6Support()))
        if (attempt >= maxAttempts || !blockTaken()) break
      }
      bound = [...bound, ...refusedListeners(config, options.ports)]
      for (const { name, error } of bound) {
        if (error !== undefined) deps.log.error('a listener could not be opened', { code: 'WEFT_LISTEN', name, error })
      }
    },
    ports: () => assigned,
    bound: () => bound,
  }
}

/** Asked anew for each config: interfaces come and go. */
function ipv6Support(): Ipv6Support {
  const all = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return { any: all.some(one => one.family === 'IPv6'), loopback: all.some(one => one.address === '::1') }
}
