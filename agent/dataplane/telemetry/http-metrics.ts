import type { DataThreadReport } from '../messages.ts'
import type { Reason } from '../reasons.ts'
import { BoundedSeries } from './bounded-series.ts'
import { HttpSeries } from './http-series.ts'
import { type PeerLabels, type SeriesKey, unknownPeer } from './peer-labels.ts'
import type { RequestRecord } from './request-record.ts'

type BySource = WeakMap<PeerLabels, HttpSeries>

/** What was found, by destination, or by service for what nobody answered, then by source. */
interface Cache {
  readonly byDestination: WeakMap<PeerLabels, BySource>
  readonly byService: Map<string, BySource>
}

const securities: readonly SeriesKey['security'][] = ['mutual_tls', 'none', 'unknown']

/** Services whose unanswered requests are found without their labels being put together. */
const maxCachedServices = 1000
/**
 * Pairs of peers that one thread keeps, and label sets with an outcome: fewer than of connections, since one is 69 lines
 * of a page.
 */
const maxPairs = 1000
const maxSeries = 2000

/** All `istio_request*` series of one data thread, and what it answered itself. */
export class HttpMetrics {
  readonly #series: BoundedSeries<HttpSeries>
  readonly #peers: HttpSeries[] = []
  /** One for each side and security. */
  readonly #caches: readonly Cache[] = Array.from({ length: 6 }, newCache)
  readonly #localReplies = new Map<string, { direction: 'inbound' | 'outbound'; reason: Reason; count: number }>()
  readonly #ejections: Record<string, number> = {}
  #left = maxSeries

  constructor() {
    this.#series = new BoundedSeries(maxPairs, key => {
      const series = new HttpSeries(key)
      this.#peers.push(series)
      return series
    })
  }

  /** Counts a request that is over. */
  add(record: RequestRecord): void {
    this.#of(record).of(record, this.#room).add(record)
    if (record.isLocalReply) this.#countLocalReply(record.direction, record.reason)
  }

  /**
   * The labels of a table's own peers are the same objects for each request, so most calls end in the cache. A cached
   * series of another service is not taken: an endpoint may be reached under several names.
   */
  #of(record: RequestRecord): HttpSeries {
    const { source, destination, service } = record
    const cache = this.#caches[(record.direction === 'inbound' ? 3 : 0) + securities.indexOf(record.security)]
    const bySource = destination === unknownPeer ? cache?.byService.get(service) : cache?.byDestination.get(destination)
    const cached = bySource?.get(source)
    if (cached !== undefined && cached.service === service) return cached
    const series = this.#series.find(keyOf(record))
    if (bySource !== undefined) bySource.set(source, series)
    else if (destination !== unknownPeer) cache?.byDestination.set(destination, new WeakMap([[source, series]]))
    else {
      if ((cache?.byService.size ?? 0) >= maxCachedServices) cache?.byService.clear()
      cache?.byService.set(service, new WeakMap([[source, series]]))
    }
    return series
  }

  readonly #room = (): boolean => {
    if (this.#left <= 0) return false
    this.#left -= 1
    return true
  }

  #countLocalReply(direction: 'inbound' | 'outbound', reason: Reason): void {
    const id = `${direction}|${reason}`
    const entry = this.#localReplies.get(id)
    if (entry === undefined) this.#localReplies.set(id, { direction, reason, count: 1 })
    else entry.count += 1
  }

  /** Counts an endpoint that outlier detection took out; causes are from a closed set. */
  ejected(cause: string): void {
    this.#ejections[cause] = (this.#ejections[cause] ?? 0) + 1
  }

  /** How often each cause took an endpoint out. */
  get ejections(): Readonly<Record<string, number>> {
    return { ...this.#ejections }
  }

  report(): Pick<DataThreadReport, 'http' | 'localReplies'> {
    const http = this.#peers.flatMap(({ all }) => all.map(({ labels, values }) => ({ labels, values })))
    return { http, localReplies: [...this.#localReplies.values()].map(entry => ({ ...entry })) }
  }
}

function newCache(): Cache {
  return { byDestination: new WeakMap(), byService: new Map() }
}

function keyOf(record: RequestRecord): SeriesKey {
  return {
    reporter: record.direction === 'inbound' ? 'destination' : 'source',
    source: record.source,
    destination: record.destination,
    service: record.service,
    serviceName: record.serviceName,
    serviceNamespace: record.serviceNamespace,
    security: record.security,
  }
}
