import { isDeepStrictEqual } from 'node:util'
import type { ClusterSettings } from '../../../mesh/routing/cluster.ts'
import { groupEndpoints, type LocalClient, nearComeFirst } from '../../../mesh/routing/locality.ts'
import type { Clock, Random } from '../../../mesh/std/clock.ts'
import { makeBalancer } from './balancers/make-balancer.ts'
import { type BreakerShare, CircuitBreaker } from './circuit-breaker.ts'
import type { ClusterEndpoint } from './endpoint.ts'
import { type EjectionEvent, type LocalOutcome, OutlierDetector } from './outlier.ts'
import { Priorities } from './priorities.ts'
import { noteLoad } from './reported-load.ts'
import { type Warmup, warmupFactor } from './slow-start.ts'
import { zoneKey } from './zone-shares.ts'

/** How long an endpoint that could not be reached is passed over while others can take its place. */
export const avoidAfterFailureMs = 10_000
/** How often another endpoint is sought than one that a retry has had already; Istio's `hostSelectionRetryMaxAttempts`. */
const maxSelections = 5

export interface ClusterDeps {
  readonly clock: Clock
  readonly random: Random
  /** Told of ejections and their ends, for the log. */
  readonly observe?: ((cluster: string, event: EjectionEvent) => void) | undefined
  /** Lets limits hold for all data threads together; without it for each. */
  readonly share?: BreakerShare | undefined
}

/** Who calls, and how many callers of its kind there are in each place, by `zoneKey`; without these nobody knows. */
export interface ClusterClient extends LocalClient {
  readonly callers?: ReadonlyMap<string, number> | undefined
}

/** What a choice depends on; a request may implement it itself. */
export interface PickContext {
  /** {@link hash53} of the request's hash key; undefined for any endpoint. */
  readonly hash: number | undefined
  /** Endpoints that earlier tries have had: passed over while there are others. */
  readonly tried: ReadonlySet<ClusterEndpoint> | undefined
  /** Endpoints that earlier tries have had, whose priorities are left while others have endpoints to choose. */
  readonly leaving?: ReadonlySet<ClusterEndpoint> | undefined
}

const anyRequest: PickContext = { hash: undefined, tried: undefined }

/**
 * One destination of a client's calls: which endpoint is next, how much may be under way, and who is out of use. It
 * lives as long as its name is in the tables and serves HTTP requests and TCP connections alike. It opens nothing: the
 * caller says what became of its choice by `endpoint.state.begin()` and `end()`, {@link report} and {@link answered}.
 */
export class Cluster<E extends ClusterEndpoint> {
  readonly limits: CircuitBreaker
  readonly outliers: OutlierDetector
  readonly #clock: Clock
  readonly #random: Random
  #settings: ClusterSettings
  #priorities: Priorities<E>
  #endpoints: readonly E[] = []
  #client: ClusterClient | undefined
  /** The arrangement holds until then, or until something happens. */
  #validUntil = Number.NEGATIVE_INFINITY

  constructor(settings: ClusterSettings, deps: ClusterDeps) {
    this.#settings = settings
    this.#clock = deps.clock
    this.#random = deps.random
    this.limits = new CircuitBreaker(settings, deps.share)
    this.outliers = new OutlierDetector(settings.outlier, {
      clock: deps.clock,
      observe: event => {
        this.#rearrange()
        deps.observe?.(this.#settings.cluster, event)
      },
    })
    this.#priorities = this.#newPriorities()
  }

  get settings(): ClusterSettings {
    return this.#settings
  }

  /** Endpoints that are known, whether they may be chosen or not. */
  get size(): number {
    return this.#endpoints.length
  }

  /** Endpoints that may be chosen now. */
  get available(): number {
    this.#arrangeIfDue()
    return this.#priorities.available
  }

  /** Whether what endpoints report of their load counts. */
  get goesByLoad(): boolean {
    return this.#settings.balancer.kind === 'backend-utilization'
  }

  /** Other settings from now on; what is under way and what was learnt of the endpoints stays. */
  configure(settings: ClusterSettings): void {
    const before = this.#settings
    if (settings === before) return
    this.#settings = settings
    this.limits.configure(settings)
    this.outliers.configure(settings.outlier)
    if (!isDeepStrictEqual(settings.balancer, before.balancer)) this.#priorities = this.#newPriorities()
    this.#group()
  }

  /** The endpoints of a new table, all of them and in any state of health, and who calls them. */
  update(endpoints: readonly E[], client: ClusterClient): void {
    const now = this.#clock.monotonic()
    const before = this.#endpoints
    this.#endpoints = endpoints
    this.#client = client
    const states = new Set(endpoints.map(endpoint => endpoint.state))
    for (const { state } of before) {
      if (states.has(state)) continue
      state.isMember = false
      state.healthySince = undefined
      state.load = undefined
    }
    for (const { state, health } of endpoints) {
      state.isMember = true
      if (health !== 'healthy') state.healthySince = undefined
      else state.healthySince ??= now
    }
    this.outliers.update(endpoints)
    this.#group()
  }

  /**
   * Chooses an endpoint; undefined when none may be chosen. Allocates nothing, and takes time that hardly depends on the
   * number of endpoints, unless health has changed or all that come up have been tried.
   */
  pick(context: PickContext = anyRequest): E | undefined {
    this.#arrangeIfDue()
    const { hash, tried, leaving } = context
    let endpoint = leaving && this.#priorities.pickElsewhere(leaving, hash)
    endpoint ??= this.#priorities.pick(hash)
    if (endpoint === undefined) return undefined
    if (tried?.has(endpoint) === true) endpoint = this.#pickUntried(endpoint, tried)
    if (endpoint.state.failedUntil !== 0) this.#probe(endpoint)
    return endpoint
  }

  /** What became of connecting to an endpoint, or of an exchange that broke off. */
  report(endpoint: E, outcome: LocalOutcome): void {
    const { state } = endpoint
    if (outcome === 'connect-failure') {
      state.failedUntil = this.#clock.monotonic() + avoidAfterFailureMs
      this.#rearrange()
    } else if (outcome === 'connected' || outcome === 'tcp-connected') this.#reached(endpoint)
    this.outliers.report(endpoint, outcome)
  }

  /** The HTTP status that an endpoint answered with; of gRPC what `statusOfGrpc` makes of it. */
  answered(endpoint: E, status: number): void {
    this.#reached(endpoint)
    this.outliers.answered(endpoint, status)
  }

  /** Takes what a response's head or trailers say of the endpoint's load, where the balancer goes by it. */
  reported(endpoint: E, headers: readonly string[]): void {
    if (this.goesByLoad) noteLoad(endpoint.state, headers, this.#clock.monotonic())
  }

  /** Gives up its endpoints and its timer. Requests under way may still report. */
  stop(): void {
    for (const { state } of this.#endpoints) state.isMember = false
    this.#endpoints = []
    this.outliers.update([])
    this.outliers.stop()
    this.#group()
  }

  #pickUntried(first: E, tried: ReadonlySet<ClusterEndpoint>): E {
    if (this.#isHashing) return first
    for (let selection = 1; selection < maxSelections; selection += 1) {
      const endpoint = this.#priorities.pick(undefined)
      if (endpoint !== undefined && !tried.has(endpoint)) return endpoint
    }
    return this.#priorities.pickOther(tried) ?? first
  }

  /** One that failed lately gets a single connection to show itself; the others go on passing it over meanwhile. */
  #probe({ state }: E): void {
    state.failedUntil = this.#clock.monotonic() + avoidAfterFailureMs
    // While there is nothing but failed ones, they are all still chosen from.
    if (!this.#priorities.isDesperate) this.#rearrange()
  }

  #reached({ state }: E): void {
    if (state.failedUntil === 0) return
    state.failedUntil = 0
    this.#rearrange()
  }

  get #isHashing(): boolean {
    const { kind } = this.#settings.balancer
    return kind === 'ring-hash' || kind === 'maglev'
  }

  get #warmup(): Warmup | undefined {
    const { balancer } = this.#settings
    return 'warmup' in balancer ? balancer.warmup : undefined
  }

  #newPriorities(): Priorities<E> {
    const warmup = this.#warmup
    const weightOf =
      warmup === undefined
        ? ({ weight }: E) => weight
        : ({ weight, state }: E) => weight * warmupFactor(warmup, state.healthySince, this.#clock.monotonic())
    const now = () => this.#clock.monotonic()
    return new Priorities(() => makeBalancer(this.#settings.balancer, weightOf, this.#random, now), this.#random)
  }

  #group(): void {
    if (this.#client === undefined) return
    const { locality, outlier } = this.#settings
    const failsOver = nearComeFirst(this.#client, locality, outlier !== undefined)
    const { callers, locality: place } = this.#client
    const groups = groupEndpoints(this.#endpoints, this.#client, locality, failsOver)
    const zoneAware = locality.enabled ? locality.zoneAware : undefined
    const zones = zoneAware && callers && { ...zoneAware, callers, own: zoneKey(place) }
    this.#priorities.update(groups, locality.enabled && locality.distribute.length > 0, zones)
    this.#rearrange()
  }

  #rearrange(): void {
    this.#validUntil = Number.NEGATIVE_INFINITY
  }

  #arrangeIfDue(): void {
    if (this.#validUntil === Number.POSITIVE_INFINITY) return
    const now = this.#clock.monotonic()
    if (now < this.#validUntil) return
    const { balancer, outlier } = this.#settings
    const minHealthPercent = outlier?.minHealthPercent ?? 0
    this.#validUntil = this.#priorities.arrange({ now, minHealthPercent, warmup: this.#warmup })
    if (balancer.kind === 'backend-utilization') this.#validUntil = Math.min(this.#validUntil, now + balancer.updateMs)
  }
}
