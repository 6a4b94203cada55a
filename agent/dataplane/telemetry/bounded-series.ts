import { type SeriesKey, unknownPeer } from './peer-labels.ts'

/** Workloads of one identity: no peer can use up what is there for all by inventing names. */
const maxPerPrincipal = 500

/**
 * All series of one family of metrics, each made at its first use. Labels that come from peers, and meshes that are
 * large, must not fill the memory: beyond `max` series sources are counted as unknown, and then destinations, too, so
 * that only what is of the service is told apart.
 */
export class BoundedSeries<Series> {
  readonly #series = new Map<string, Series>()
  readonly #ofPrincipal = new Map<string, number>()
  readonly #max: number
  readonly #make: (key: SeriesKey) => Series

  /** `make` gets the labels that the series is to have, which are less than those asked for once there are too many. */
  constructor(max: number, make: (key: SeriesKey) => Series) {
    this.#max = max
    this.#make = make
  }

  find(key: SeriesKey): Series {
    const id = idOf(key)
    const known = this.#series.get(id)
    if (known !== undefined) return known
    const { source, destination } = key
    if (this.#series.size >= this.#max) {
      if (source !== unknownPeer) return this.find({ ...key, source: unknownPeer })
      if (destination !== unknownPeer) return this.find({ ...key, destination: unknownPeer })
    }
    const same = this.#ofPrincipal.get(source.principal) ?? 0
    if (same >= maxPerPrincipal && source.workload !== 'unknown') {
      const { principal, namespace } = source
      return this.find({ ...key, source: { ...unknownPeer, principal, namespace } })
    }
    this.#ofPrincipal.set(source.principal, same + 1)
    const series = this.#make(key)
    this.#series.set(id, series)
    return series
  }

  all(): IterableIterator<Series> {
    return this.#series.values()
  }
}

function idOf(key: SeriesKey): string {
  const { source, destination } = key
  return `${key.reporter}|${key.security}|${key.serviceNamespace}/${key.serviceName}|${source.principal}|${source.namespace}/${source.workload}|${source.version}|${destination.principal}|${destination.namespace}/${destination.workload}|${destination.version}`
}
