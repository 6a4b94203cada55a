import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { PortAssignment } from './agent-state.ts'

const lastPort = 65_535

/** The workload identities of this host that local processes may call under, ordered. */
export function callerIdentities(config: AgentConfig): readonly string[] {
  const identities = config.workloads.flatMap(workload =>
    workload.callers.length > 0 ? (workload.identity ?? []) : [],
  )
  return [...new Set(identities)].sort()
}

/**
 * Gives every identity an outbound port of its own, from `base` upward. An identity keeps the port it once had, also
 * while it is away: redirect rules and open connections never come to mean another caller. Only when the ports run
 * out are those of absent identities given away; throws WEFT_LISTEN when that is not enough.
 */
export function assignPorts(
  identities: readonly string[],
  previous: PortAssignment,
  base: number,
  blocked: ReadonlySet<number> = new Set(),
): PortAssignment {
  const kept = [...previous].filter(([, port]) => port >= base && !blocked.has(port))
  const assigned = new Map(uniquePorts(kept))
  const taken = new Set([...assigned.values(), ...blocked])
  let next = base
  for (const identity of identities) {
    if (assigned.has(identity)) continue
    while (taken.has(next)) next += 1
    if (next > lastPort) return reuse(identities, previous, base, blocked)
    assigned.set(identity, next)
    taken.add(next)
  }
  return assigned
}

function reuse(
  identities: readonly string[],
  previous: PortAssignment,
  base: number,
  blocked: ReadonlySet<number>,
): PortAssignment {
  const present = new Map([...previous].filter(([identity]) => identities.includes(identity)))
  if (present.size === previous.size) {
    throw new MeshError('WEFT_LISTEN', 'no port is left for the outbound listener of a workload', {
      fields: { base, identities: identities.length },
      next: 'lower ports.workloadBase',
    })
  }
  return assignPorts(identities, present, base, blocked)
}

/** Two identities on one port would be one caller: only the first keeps it. */
function uniquePorts(entries: readonly (readonly [string, number])[]): [string, number][] {
  const seen = new Set<number>()
  return entries.flatMap(([identity, port]): [string, number][] => {
    if (seen.has(port)) return []
    seen.add(port)
    return [[identity, port]]
  })
}
