import { parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { LocalWorkloadResource } from '../../mesh/model/agent-config.ts'
import type { Locality } from '../../mesh/model/locality.ts'
import type { RoutingClient } from '../../mesh/routing/world.ts'
import { type PeerLabels, unknownPeer } from './telemetry/peer-labels.ts'

/** Who calls, as routing, balancing and metrics want to know it. */
export interface Caller {
  /** The identity, empty for a caller without one: what is kept for callers is kept by it. */
  readonly key: string
  readonly identity: string | undefined
  readonly labels: PeerLabels
  readonly client: RoutingClient
  readonly locality: Locality
  /** Services that it is an endpoint of, as `<namespace>/<name>`. */
  readonly services: readonly string[]
}

/** A workload of this host. */
export function callerOfWorkload(
  { namespace, labels: own, ports }: LocalWorkloadResource,
  identity: string,
  labels: PeerLabels,
  locality: Locality,
): Caller {
  const services = [...new Set(ports.map(port => port.service))]
  return { key: identity, identity, labels, client: { namespace, labels: own }, locality, services }
}

/** A caller that is no workload: it has the host's identity, or none, and is in that identity's namespace. */
export function callerOfIdentity(identity: string | undefined, locality: Locality): Caller {
  const labels = identity === undefined ? unknownPeer : { ...unknownPeer, principal: identity }
  const client = { namespace: namespaceOf(identity), labels: {} }
  return { key: identity ?? '', identity, labels, client, locality, services: [] }
}

function namespaceOf(identity: string | undefined): string {
  try {
    const id = identity === undefined ? undefined : parseSpiffeId(identity)
    return id?.kind === 'workload' ? id.namespace : ''
  } catch {
    return ''
  }
}
