import type { ClusterSettings } from '../../../mesh/routing/cluster.ts'
import { isSubsetOf } from '../../../mesh/routing/hosts.ts'
import type { Destination, Table } from '../table.ts'
import type { Upstream } from './clusters.ts'
import type { ClusterEndpoint } from './endpoint.ts'
import { OriginalDestinations } from './original-destinations.ts'

/** Names that are remembered: callers may call any that fits a wildcard. */
const remembered = 1024

/** One name of a destination, with what DNS says of it. */
export interface NamedDestination {
  /** The destination's, with the name as what its certificate is expected to be for where nothing else is said. */
  readonly settings: ClusterSettings
  readonly addresses: readonly string[]
  /** The addresses one after the other, passing over those that were tried; undefined when none may be called. */
  next(tried: ReadonlySet<ClusterEndpoint> | undefined): Upstream | undefined
}

/**
 * The endpoints of a destination whose hosts are wildcards and whose calls name one (ServiceEntry `DYNAMIC_DNS`; Envoy,
 * "Dynamic forward proxy"). Addresses that the mesh knows are reached as the mesh reaches them.
 */
export class NamedDestinations {
  readonly #destination: Destination
  readonly #settings: ClusterSettings
  readonly #reached: OriginalDestinations
  readonly #known = new Map<string, NamedDestination>()

  constructor(table: Table, destination: Destination, settings: ClusterSettings) {
    this.#destination = destination
    this.#settings = settings
    this.#reached = new OriginalDestinations(table)
  }

  /** Whether the name, lower case, is one of the destination's: no other is looked up for its calls. */
  has(name: string): boolean {
    return this.#destination.service.hosts.some(host => host.startsWith('*') && isSubsetOf(name, host))
  }

  of(name: string, addresses: readonly string[]): NamedDestination {
    const known = this.#known.get(name)
    if (known?.addresses === addresses) return known
    if (this.#known.size >= remembered) this.#known.clear()
    const made = this.#make(name, addresses)
    this.#known.set(name, made)
    return made
  }

  #make(name: string, addresses: readonly string[]): NamedDestination {
    const { tls } = this.#settings
    const settings = tls.sni === '' ? { ...this.#settings, tls: { ...tls, sni: name } } : this.#settings
    const { port } = this.#destination.port
    const upstreams = addresses.flatMap(address => this.#reached.of({ address, port }) ?? [])
    let at = 0
    return {
      settings,
      addresses,
      next(tried) {
        const untried = tried === undefined ? upstreams : upstreams.filter(upstream => !tried.has(upstream))
        const choice = untried.length === 0 ? upstreams : untried
        at = (at + 1) % Math.max(1, choice.length)
        return choice[at]
      },
    }
  }
}
