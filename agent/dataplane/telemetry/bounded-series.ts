import { type SeriesKey, unknownPeer } from './peer-labels.ts'

/** Beyond this many, callers are counted as unknown: labels that come from peers must not fill the memory. */
const maxSeries = 10_000
/** The same for the workloads of one identity, so that no peer can use up what is there for all by inventing names. */
const maxSeriesPerPrincipal = 500

/** All series of one family of metrics, each made at its first use. */
export class BoundedSeries<Series> {
  readonly #series = new Map<string, Series>()
  readonly #ofPrincipal = new Map<string, number>()
  readonly #make: (key: SeriesKey) => Series

  /** `make` gets the labels that the series is to have, which are less than those asked for once there are too many. */
  constructor(make: (key: SeriesKey) => Series) {
    this.#make = make
  }

  /** The series of these labels; of an unknown source when there is no room for another. */
  find(key: SeriesKey): Series {
    const { source, destination } = key
    const id = `${key.reporter}|${key.security}|${key.serviceNamespace}/${key.serviceName}|${source.principal}|${source.namespace}/${source.workload}|${source.version}|${destination.principal}|${destination.namespace}/${destination.workload}|${destination.version}`
    let series = this.#series.get(id)
    if (series === undefined) {
      if (source !== unknownPeer && this.#series.size >= maxSeries) return this.find({ ...key, source: unknownPeer })
      const same = this.#ofPrincipal.get(source.principal) ?? 0
      if (same >= maxSeriesPerPrincipal && source.workload !== 'unknown') {
        const { principal, namespace } = source
        return this.find({ ...key, source: { ...unknownPeer, principal, namespace } })
      }
      this.#ofPrincipal.set(source.principal, same + 1)
      series = this.#make(key)
      this.#series.set(id, series)
    }
    return series
  }

  all(): IterableIterator<Series> {
    return this.#series.values()
  }
}
