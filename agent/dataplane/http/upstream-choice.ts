import { parseAuthority } from '../../../mesh/routing/authority.ts'
import type { ClusterSettings } from '../../../mesh/routing/cluster.ts'
import type { Names } from '../names.ts'
import type { Target } from '../table.ts'
import type { Cancellable } from '../transport/connection-pool.ts'
import type { CallerAddresses } from '../transport/proxy-header.ts'
import type { PickContext } from '../upstream/cluster.ts'
import type { ActiveCluster, Upstream } from '../upstream/clusters.ts'
import { hashOf, makeCookie } from '../upstream/hash-key.ts'
import type { NamedDestination } from '../upstream/named-destinations.ts'
import type { OutboundConnection } from './outbound-decision.ts'
import { pseudo } from './request-facts.ts'
import type { HeaderList } from './stream.ts'

/** Which endpoint one request goes to, and which ones its further tries. */
export class UpstreamChoice implements PickContext {
  readonly #active: ActiveCluster
  readonly #connection: OutboundConnection
  readonly #pinned: Target | undefined
  /** What the request is for, where that is looked up. */
  #named: NamedDestination | undefined
  hash: number | undefined = undefined
  tried: Set<Upstream> | undefined = undefined
  leaving: Set<Upstream> | undefined = undefined
  /** For the caller to come back to the same endpoint with. */
  setCookie: string | undefined = undefined

  constructor(active: ActiveCluster, connection: OutboundConnection, pinned: Target | undefined) {
    this.#active = active
    this.#connection = connection
    this.#pinned = pinned
  }

  /** How the endpoint is to be called. */
  get settings(): ClusterSettings {
    return this.#named?.settings ?? this.#active.settings
  }

  /** Of the caller's connection, where the endpoint is told. */
  get addresses(): CallerAddresses | undefined {
    if (this.settings.proxyProtocol === undefined) return undefined
    const { sourceAddress, sourcePort, original } = this.#connection
    return { source: { address: sourceAddress, port: sourcePort }, destination: original }
  }

  /** Takes of a request what its endpoint depends on, before rules change it. */
  readHash(headers: HeaderList): void {
    const { balancer } = this.#active.settings
    if (balancer.kind !== 'ring-hash' && balancer.kind !== 'maglev') return
    const { sourceAddress, sourcePort } = this.#connection
    const request = { path: headers[pseudo.path] ?? '', headers, sourceAddress, sourcePort }
    this.hash = hashOf(balancer.key, request)
    if (this.hash !== undefined) return
    const made = makeCookie(balancer.key, request)
    this.hash = made?.hash
    this.setCookie = made?.setCookie
  }

  /**
   * Looks up the host that the request is for by now (a rule may have written another one) where its endpoints are found
   * by it. `done` gets why there are none; it is called once, mostly at once, and not after `cancel`.
   */
  find(headers: HeaderList, lookUps: Names, done: (problem: string | undefined) => void): Cancellable | undefined {
    const { names, settings } = this.#active
    if (names === undefined) {
      done(undefined)
      return undefined
    }
    const { name } = parseAuthority(headers[pseudo.authority] ?? '')
    if (!names.has(name)) {
      done(`${name} is none of its names`)
      return undefined
    }
    return lookUps.find(name, settings.connectTimeoutMs, found => {
      if (found.kind === 'failed') return done(found.detail)
      this.#named = names.of(name, found.addresses)
      done(undefined)
    })
  }

  /** The endpoint for the next try; undefined when there is none. */
  next(): Upstream | undefined {
    const active = this.#active
    const named = active.pinned(this.#pinned) ?? this.#named?.next(this.tried)
    if (named !== undefined) return named
    const { isBound, original } = this.#connection
    // where a caller of a listener was going is the listener
    return (isBound === true ? undefined : active.original(original)) ?? active.cluster.pick(this)
  }

  /** Endpoints that earlier tries have had, and those whose priorities are to be left. */
  pass(tried: Set<Upstream> | undefined, leaving: Set<Upstream> | undefined): void {
    this.tried = tried
    this.leaving = leaving
  }

  /** Why there is no next one. */
  get whyNone(): string {
    return this.#active.cluster.size === 0 ? 'no endpoint is known' : 'none is healthy'
  }
}
