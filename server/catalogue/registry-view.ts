import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { Service } from '../../mesh/model/service.ts'
import { sharing } from '../../mesh/model/sharing.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, type Random, sleep, type Timer } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { type Table, tableOf } from '../../mesh/std/table.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { AdapterDeps, AdapterHealth, RegistryAdapter } from '../../registry-adapters/adapter.ts'
import type { HeldRemoval, RegistryStatus } from '../status.ts'
import { createDamping, type Damping } from './damping.ts'
import { HeldView } from './held-view.ts'
import { createRemovalGuard, type MassRemovalRule, type RemovalGuard } from './mass-removal.ts'
import type { ViewCache } from './view-cache.ts'

export interface RegistryViewDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly cache: ViewCache
  /** Gives what the adapter yields its names in the mesh; what the cache has has them already. */
  readonly map?: (snapshot: RegistrySnapshot) => RegistrySnapshot
  /** Judges that, item by item. */
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
  readonly kind: string
  /** Undefined until the registry, or the cache, has given a first view. */
  readonly snapshot: Watch<RegistrySnapshot | undefined>
  readonly status: Watch<RegistryStatus>
  /** What vanished and is served until that is confirmed, by workload id. */
  readonly held: Watch<Table<Workload>>
  /** Tells which of the held workloads still answer and which are really gone: those are let go of. */
  found(answers: ReadonlyMap<string, boolean>): void
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
  readonly kind: string
  readonly snapshot = new Watch<RegistrySnapshot | undefined>(undefined)
  readonly held = new Watch<Table<Workload>>(tableOf())
  readonly status: Watch<RegistryStatus>
  readonly #deps: RegistryViewDeps
  readonly #log: Log
  readonly #rule: MassRemovalRule
  readonly #guard: RemovalGuard
  readonly #damping: Damping
  readonly #view = new HeldView()
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  /** What the adapter said last, word for word. */
  #said: RegistrySnapshot | undefined
  /** The last usable one of it, before damping. */
  #usable: RegistrySnapshot | undefined
  #spoken = false
  #removal: HeldRemoval | undefined
  #answering: ReadonlySet<string> = new Set()
  #release: Timer | undefined

  constructor(
    deps: RegistryViewDeps,
    options: RegistryViewOptions,
    createAdapter: (deps: AdapterDeps) => RegistryAdapter,
  ) {
    this.#deps = deps
    this.name = options.name
    this.kind = options.kind
    this.#log = deps.log.child({ registry: options.name })
    this.#rule = options.massRemoval
    this.#guard = createRemovalGuard(options.massRemoval, deps.clock)
    this.#damping = createDamping(deps.clock, () => this.#settled())
    const counts = { services: 0, workloads: 0, problems: [], flapping: 0 }
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
    if (this.#removal === undefined) return false
    this.#log.info('held removal confirmed by an operator')
    this.#view.releaseAll()
    this.#guard.believed(this.#view.latest)
    this.#publish(this.#freshness())
    return true
  }

  found(answers: ReadonlyMap<string, boolean>): void {
    const { held } = this.#view
    const dead = [...answers].filter(([id, alive]) => !alive && held.has(id)).map(([id]) => id)
    this.#answering = new Set([...answers].filter(([id, alive]) => alive && held.has(id)).map(([id]) => id))
    if (dead.length > 0) this.#log.info('workloads that had vanished do not answer and are let go of', { dead })
    this.#view.release(dead)
    this.#publish(this.#freshness())
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#release?.cancel()
    this.#damping.stop()
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
          this.#hear(snapshot)
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
    this.#usable = this.#deps.validate(cached)
    this.#take(this.#damping.damp(this.#usable), { state: 'stale', reason: 'not reached since this server started' })
  }

  #hear(snapshot: RegistrySnapshot): void {
    this.#said = sharing(this.#said, snapshot)
    const { map, validate } = this.#deps
    this.#usable = validate(map === undefined ? this.#said : map(this.#said))
    this.#spoken = true
    this.#take(this.#damping.damp(this.#usable), { state: 'fresh' })
  }

  /** A workload has stopped flapping: what the registry says of it counts again. */
  #settled(): void {
    if (this.#usable !== undefined) this.#take(this.#damping.damp(this.#usable), this.#freshness())
  }

  #take(next: RegistrySnapshot, freshness: Freshness): void {
    const first = this.snapshot.value === undefined
    const registry = !first && this.#guard.isDoubtful(next)
    const service = ({ endpoints }: Service) => !first && endpoints.length >= this.#rule.serviceMinimum
    this.#view.update(next, { registry, service })
    if (!registry) {
      this.#guard.believed(next)
      // a registry that comes back piece by piece: what is still missing stays until it is asked
      if (this.#view.held.size === 0) this.#view.releaseAll()
    }
    this.#publish(freshness)
  }

  #publish(freshness: Freshness): void {
    const { shown, held } = this.#view
    this.#followHeld()
    this.snapshot.set(shown)
    this.held.set(held)
    const removal = this.#removal
    this.#setStatus({
      ...freshness,
      services: shown.services.size,
      workloads: shown.workloads.size,
      problems: shown.problems,
      flapping: this.#damping.flapping,
      ...(removal === undefined ? {} : { held: removal }),
    })
    this.#deps.cache.save(shown)
  }

  /** Begins and ends the time that a disappearance must last. */
  #followHeld(): void {
    const { held, heldServices } = this.#view
    this.#answering = new Set([...this.#answering].filter(id => held.has(id)))
    if (held.size === 0 && heldServices === 0) {
      if (this.#removal !== undefined) this.#log.info('nothing of the registry is held any more')
      this.#removal = undefined
      this.#release?.cancel()
      return
    }
    const now = this.#deps.clock.now()
    const { confirmMs } = this.#rule
    const counts = { workloads: held.size, services: heldServices, answering: this.#answering.size }
    const { since = now, until = now + confirmMs } = this.#removal ?? {}
    if (this.#removal === undefined) {
      this.#log.error('much of a registry disappeared at once and is held until confirmed', counts)
      this.#release = this.#deps.clock.timer(confirmMs, () => this.#lasted())
    }
    this.#removal = { since, until, ...counts }
  }

  #lasted(): void {
    this.#release = this.#deps.clock.timer(this.#rule.confirmMs, () => this.#lasted())
    // a registry that is not in touch has confirmed nothing
    if (this.status.value.state !== 'fresh') return
    const silent = [...this.#view.held.keys()].filter(id => !this.#answering.has(id))
    if (this.#answering.size > 0) {
      this.#log.warn('a held removal has lasted, what still answers stays until it is confirmed', {
        answering: this.#answering.size,
      })
      this.#view.release(silent)
    } else {
      this.#log.warn('a held removal has lasted and is believed now')
      this.#view.releaseAll()
      this.#guard.believed(this.#view.latest)
    }
    this.#publish(this.#freshness())
  }

  #freshness(): Freshness {
    const { state, reason } = this.status.value
    return { state, ...(reason === undefined ? {} : { reason }) }
  }

  #report(health: AdapterHealth): void {
    if (this.#stopping.signal.aborted) return
    const { state, reason, name: _, kind: __, since: ___, ...kept } = this.status.value
    if (health.kind === 'fresh') {
      // in touch again is only known to be good once there is a view
      if (state === 'stale' && this.#spoken) this.#setStatus({ ...kept, state: 'fresh' })
      return
    }
    if (reason !== health.reason)
      this.#log.warn('registry is not in touch, its last view stays', { reason: health.reason })
    this.#setStatus({ ...kept, state: this.snapshot.value === undefined ? 'starting' : 'stale', reason: health.reason })
  }

  #setStatus(next: Omit<RegistryStatus, 'name' | 'kind' | 'since'>): void {
    const { name, kind, since, state } = this.status.value
    this.status.set({ name, kind, since: state === next.state ? since : this.#deps.clock.now(), ...next })
  }
}
