import { unknownLocality } from '../../../mesh/model/locality.ts'
import type { OriginalDst } from '../../intercept/original-dst.ts'
import { hostPort } from '../address.ts'
import type { Table, Target } from '../table.ts'
import { unknownPeer } from '../telemetry/peer-labels.ts'
import type { Upstream } from './clusters.ts'
import { EndpointState } from './endpoint.ts'

/** Addresses that are remembered: callers may call any of a whole range. */
const remembered = 1024

/**
 * The endpoints of a destination that has none of its own, or whose rule says PASSTHROUGH: the addresses that callers
 * called (Envoy, "Original destination"). One that the mesh knows is reached as the mesh reaches it; none is a virtual one.
 */
export class OriginalDestinations {
  readonly #table: Table
  readonly #known = new Map<string, Upstream>()

  constructor(table: Table) {
    this.#table = table
  }

  /** Undefined for an address that is nobody's. */
  of({ address, port }: OriginalDst): Upstream | undefined {
    const authority = hostPort(address, port)
    const known = this.#known.get(authority)
    if (known !== undefined) return known
    if (this.#table.virtualIps.has(address)) return undefined
    if (this.#known.size >= remembered) this.#known.clear()
    const target = this.#table.endpoints.get(authority)?.pinned ?? outsideTarget(address, port, authority)
    const { weight, labels, locality } = target.endpoint
    const state = new EndpointState()
    const upstream = { key: authority, weight, health: 'healthy', labels, locality, state, target } as const
    this.#known.set(authority, upstream)
    return upstream
  }
}

function outsideTarget(address: string, port: number, authority: string): Target {
  const endpoint = {
    id: authority,
    address,
    ports: {},
    workload: '',
    namespace: '',
    labels: {},
    locality: unknownLocality,
    weight: 1,
    health: 'healthy',
  } as const
  return { endpoint, port, authority, weight: 1, labels: unknownPeer, mesh: undefined }
}
