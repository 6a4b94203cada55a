/**
 * Calls of one kind that a host has really taken or refused: who called what, without anything that tells one call from
 * the next. What policies are tried on before they are applied.
 */
export interface Flow {
  /** SPIFFE id that the caller's certificate names; empty in plaintext. */
  readonly caller: string
  /** Where it called from, as a /24 or /64. */
  readonly network: string
  /** Id of the workload that was called, as registries name it. */
  readonly workload: string
  /** `<namespace>/<name>` of the service that its port is of. */
  readonly service: string
  readonly port: number
  /** Whether a request was judged, or a connection; one that was refused for its plaintext was a connection. */
  readonly protocol: 'http' | 'tcp'
  /** Of requests only, as is the path. */
  readonly method: string
  /** As `bucketPath` has it. */
  readonly path: string
  /** `<iss>/<sub>` of the token that was verified; empty without one. */
  readonly principal: string
  readonly allowed: boolean
}

/** A flow, and how often it was seen; times are milliseconds since 1970. */
export interface SeenFlow extends Flow {
  readonly count: number
  readonly firstSeen: number
  readonly lastSeen: number
}

/** Flows that a host, or the server for one host, keeps at most; those not seen for longest go first. */
export const maxFlows = 2_000

/** What tells a flow from others. */
export function flowKey(flow: Flow): string {
  const { caller, network, workload, service, port, protocol, method, path, principal, allowed } = flow
  return [caller, network, workload, service, port, protocol, method, path, principal, allowed].join(' ')
}

/** Both as one: seen as often as the two together. */
export function addFlows(one: SeenFlow, other: SeenFlow): SeenFlow {
  return {
    ...one,
    count: one.count + other.count,
    firstSeen: Math.min(one.firstSeen, other.firstSeen),
    lastSeen: Math.max(one.lastSeen, other.lastSeen),
  }
}

/** The flows that are kept where there are too many: those seen last. */
export function newestFlows<One extends SeenFlow>(
  flows: Iterable<readonly [string, One]>,
  most: number,
): Map<string, One> {
  const newest = [...flows].sort(([, one], [, other]) => other.lastSeen - one.lastSeen)
  return new Map(newest.slice(0, most))
}
