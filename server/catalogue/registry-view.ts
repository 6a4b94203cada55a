import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, type Random, sleep, type Timer } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { AdapterDeps, AdapterHealth, RegistryAdapter } from '../../registry-adapters/adapter.ts'
import type { HeldRemoval, RegistryStatus } from '../status.ts'
import { createRemovalGuard, type MassRemovalRule, type RemovalGuard, withVanished } from './mass-removal.ts'
import { sharing } from './sharing.ts'
import type { ViewCache } from './view-cache.ts'

export interface RegistryViewDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly cache: ViewCache
  /** Judges what the adapter yields, item by item. */
  readonly validate: (snapshot: RegistrySnapshot) => RegistrySnapshot
}

export interface RegistryViewOptions {
  readonly name: string
  readonly kind: string
  readonly massRemoval: MassRemovalRule
}

/** One registry, followed: its last good view, and how fresh that is. */
export interface RegistryView {
  readonly name: string
  /** Undefined until the registry, or the cache, has given a first view. */
  readonly snapshot: Watch<RegistrySnapshot | undefined>
  readonly status: Watch<RegistryStatus>
  /** An operator says that what disappeared is really gone. Returns whether anything was held. */
  confirm(): boolean
  /** Resolves when the adapter has ended. */
  stop(): Promise<void>
}

/**
 * Runs one adapter. A failing registry becomes stale and keeps its last good view; a mass disappearance is held back
 * until it has lasted or an operator confirms it. Nothing an adapter does reaches the other registries.
 */
export function startRegistryView(
  deps: RegistryViewDeps,
  options: RegistryViewOptions,
  createAdapter: (deps: AdapterDeps) => RegistryAdapter,
): RegistryView {
  return new View(deps, options, createAdapter)
}

type Freshness = Pick<RegistryStatus, 'state' | 'reason'>

class View implements RegistryView {
  readonly name: string
  readonly snapshot = new Watch<RegistrySnapshot | undefined>(undefined)
  readonly status: Watch<RegistryStatus>
  readonly #deps: RegistryViewDeps
  readonly #log: Log
  readonly #rule: MassRemovalRule
  readonly #guard: RemovalGuard
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  #release: Timer | undefined
  /** What the adapter said last, before anything was held back. */
  #latest: RegistrySnapshot | undefined

  constructor(
    deps: RegistryViewDeps,
    options: RegistryViewOptions,
    createAdapter: (deps: AdapterDeps) => RegistryAdapter,
  ) {
    this.#deps = deps
    this.name = options.name
    this.#log = deps.log.child({ registry: options.name })
    this.#rule = options.massRemoval
    this.#guard = createRemovalGuard(options.massRemoval, deps.clock)
    const counts = { services: 0, workloads: 0, problems: [] }
    this.status = new Watch<RegistryStatus>({
      name: options.name,
      kind: options.kind,
      state: 'starting',
      since: deps.clock.now(),
      ...counts,
    })
    // made before anything is started: options that cannot work must keep the server from starting
    const adapter = createAdapter({
      name: this.name,
      clock: deps.clock,
      random: deps.random,
      log: this.#log,
      report: health => this.#report(health),
    })
    this.#running = this.#run(adapter)
  }

  confirm(): boolean {
    if (this.status.value.held === undefined || this.#latest === undefined) return false
    this.#log.info('held removal confirmed by an operator')
    const { state, reason } = this.status.value
    this.#believe(this.#latest, { state, ...(reason === undefined ? {} : { reason }) })
    return true
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#release?.cancel()
    await this.#running
    await this.#deps.cache.stop()
  }

  async #run(adapter: RegistryAdapter): Promise<void> {
    const { clock, random } = this.#deps
    const { signal } = this.#stopping
    await this.#restore()
    const backoff = createBackoff({ baseMs: 1000, capMs: 60_000 }, random)
    while (!signal.aborted) {
      try {
        for await (const snapshot of adapter.watch(signal)) {
          if (signal.aborted) return
          backoff.reset()
          this.#take(this.#deps.validate(snapshot))
        }
        if (!signal.aborted) this.#report({ kind: 'failing', reason: 'the adapter ended by itself' })
      } catch (error) {
        // the contract forbids it, but one adapter's bug must not end the others
        this.#report({ kind: 'failing', reason: describeError(error) })
      }
      if (!signal.aborted) await sleep(clock, backoff.nextMs(), signal)
    }
  }

  async #restore(): Promise<void> {
    const cached = await this.#deps.cache.load()
    if (cached === undefined || this.#stopping.signal.aborted) return
    const usable = this.#deps.validate(cached)
    this.#guard.believed(usable)
    this.#publish(usable, undefined, { state: 'stale', reason: 'not reached since this server started' })
  }

  #take(next: RegistrySnapshot): void {
    const before = this.snapshot.value
    const held = this.status.value.held
    const view = before === undefined ? next : sharing(before, next)
    this.#latest = view
    if (before === undefined || !this.#guard.isDoubtful(view)) {
      if (held !== undefined) this.#log.info('what had disappeared from the registry is back')
      this.#believe(view, { state: 'fresh' })
      return
    }
    const shown = withVanished(before, view)
    const { confirmMs } = this.#rule
    const now = this.#deps.clock.now()
    const removal = {
      since: held?.since ?? now,
      until: held?.until ?? now + confirmMs,
      workloads: shown.workloads.length - view.workloads.length,
      services: shown.services.length - view.services.length,
    }
    if (held === undefined) {
      this.#log.error('most of a registry disappeared at once and is held until confirmed', { ...removal })
      this.#release = this.#deps.clock.timer(confirmMs, () => this.#lasted())
    }
    this.#publish(shown, removal, { state: 'fresh' })
  }

  #lasted(): void {
    const { state } = this.status.value
    if (state !== 'fresh' || this.#latest === undefined) {
      // a registry that is not in touch has confirmed nothing
      this.#release = this.#deps.clock.timer(this.#rule.confirmMs, () => this.#lasted())
      return
    }
    this.#log.warn('held removal has lasted and is believed now')
    this.#believe(this.#latest, { state })
  }

  #believe(snapshot: RegistrySnapshot, freshness: Freshness): void {
    this.#release?.cancel()
    this.#release = undefined
    this.#guard.believed(snapshot)
    this.#publish(snapshot, undefined, freshness)
    this.#deps.cache.save(snapshot)
  }

  #publish(snapshot: RegistrySnapshot, held: HeldRemoval | undefined, freshness: Freshness): void {
    this.snapshot.set(snapshot)
    this.#setStatus({
      ...freshness,
      services: snapshot.services.length,
      workloads: snapshot.workloads.length,
      problems: snapshot.problems,
      ...(held === undefined ? {} : { held }),
    })
  }

  #report(health: AdapterHealth): void {
    if (this.#stopping.signal.aborted) return
    const { services, workloads, problems, held, state, reason } = this.status.value
    const kept = { services, workloads, problems, ...(held === undefined ? {} : { held }) }
    if (health.kind === 'fresh') {
      // in touch again is only known to be good once there is a view
      if (state === 'stale' && this.#latest !== undefined) this.#setStatus({ state: 'fresh', ...kept })
      return
    }
    if (reason !== health.reason)
      this.#log.warn('registry is not in touch, its last view stays', { reason: health.reason })
    this.#setStatus({ state: this.snapshot.value === undefined ? 'starting' : 'stale', reason: health.reason, ...kept })
  }

  #setStatus(next: Omit<RegistryStatus, 'name' | 'kind' | 'since'>): void {
    const { name, kind, since, state } = this.status.value
    this.status.set({ name, kind, since: state === next.state ? since : this.#deps.clock.now(), ...next })
  }
}
