import type { DataThreadReport, TcpSeries } from '../messages.ts'
import type { Reason } from '../reasons.ts'
import { BoundedSeries } from './bounded-series.ts'
import { type PeerLabels, peersAsLabels, type SeriesKey, unknownPeer } from './peer-labels.ts'

/** Counters of one label set; connections hold it and add to it as bytes pass. */
export interface TcpCounters {
  readonly labels: Readonly<Record<string, string>>
  opened: number
  closed: number
  sentBytes: number
  receivedBytes: number
}

/** Label sets that one thread keeps. */
const maxSeries = 10_000

/** All `istio_tcp_*` series of one data thread. */
export class TcpMetrics {
  readonly #series = new BoundedSeries<TcpCounters>(maxSeries, key => {
    const labels = { ...peersAsLabels(key), request_protocol: 'tcp', response_flags: '-' }
    return { labels, opened: 0, closed: 0, sentBytes: 0, receivedBytes: 0 }
  })
  /** By destination, then source: a table's destination labels belong to one service port and direction. */
  readonly #cache = new WeakMap<PeerLabels, WeakMap<PeerLabels, TcpCounters>>()
  readonly #refused = new Map<string, { direction: 'inbound' | 'outbound'; reason: Reason; count: number }>()

  /**
   * The counters of a label set, made at its first use. The labels of a table's own peers are the same objects for
   * each connection, so most calls end in the cache.
   */
  counters(key: SeriesKey): TcpCounters {
    const bySource = this.#cache.get(key.destination)
    const cached = bySource?.get(key.source)
    if (cached !== undefined) return cached
    const counters = this.#series.find(key)
    if (key.destination === unknownPeer) return counters
    if (bySource === undefined) this.#cache.set(key.destination, new WeakMap([[key.source, counters]]))
    else bySource.set(key.source, counters)
    return counters
  }

  refused(direction: 'inbound' | 'outbound', reason: Reason): void {
    const id = `${direction}|${reason}`
    const entry = this.#refused.get(id)
    if (entry === undefined) this.#refused.set(id, { direction, reason, count: 1 })
    else entry.count += 1
  }

  report(): Pick<DataThreadReport, 'tcp' | 'refused'> {
    const tcp: TcpSeries[] = [...this.#series.all()].map(counters => ({ ...counters }))
    return { tcp, refused: [...this.#refused.values()].map(entry => ({ ...entry })) }
  }
}
