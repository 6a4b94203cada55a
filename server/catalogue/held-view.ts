import { emptySnapshot, type RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { Service } from '../../mesh/model/service.ts'
import { changed } from '../../mesh/model/sharing.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { changedKeys, type Table, tableOf } from '../../mesh/std/table.ts'
import { createReferences } from './references.ts'

/**
 * What a registry says now, and what vanished from it and is not believed to be gone. What it says about the rest
 * (health, weights, new instances) is in effect at once. A change costs what it touches.
 */
export class HeldView {
  /** What the registry says. */
  latest: RegistrySnapshot = emptySnapshot
  /** What is served: {@link latest} with everything that is held. */
  shown: RegistrySnapshot = emptySnapshot
  /** What vanished and is kept, by id. */
  held: Table<Workload> = tableOf()
  /** Services that vanished as such; shown with what of their endpoints is held. */
  readonly #heldServices = new Set<string>()
  readonly #users = createReferences()

  /**
   * Takes a newer view. Of what it lacks that is kept which `registry` or `service`, asked in that order, says so: the
   * first for everything, the second for a service whose endpoints have all vanished in this step.
   */
  update(next: RegistrySnapshot, doubts: { readonly registry: boolean; service(had: Service): boolean }): void {
    const { latest, shown } = this
    const workloads = changedKeys(latest.workloads, next.workloads)
    const services = new Set(changedKeys(latest.services, next.services))
    const gone = workloads.filter(id => !next.workloads.has(id))
    for (const id of workloads) for (const key of this.#users.ownersOf(id)) services.add(key)
    const keep = new Set(doubts.registry ? gone : this.#lostWith(gone, next, doubts.service))
    this.latest = next
    this.held = this.held.with(workloads.map(id => [id, keep.has(id) ? shown.workloads.get(id) : undefined]))
    const nowShown = workloads.map(id => [id, next.workloads.get(id) ?? this.held.get(id)] as const)
    for (const key of services) {
      if (next.services.has(key) || !shown.services.has(key)) this.#heldServices.delete(key)
      else if (doubts.registry) this.#heldServices.add(key)
    }
    this.#show(shown.workloads.with(nowShown), services)
  }

  /** Lets go of what is held under these ids. */
  release(ids: Iterable<string>): void {
    const released = [...ids].filter(id => this.held.has(id))
    if (released.length === 0) return
    const services = new Set(released.flatMap(id => [...this.#users.ownersOf(id)]))
    this.held = this.held.with(released.map(id => [id, undefined]))
    if (this.held.size === 0) {
      for (const key of this.#heldServices) services.add(key)
      this.#heldServices.clear()
    }
    this.#show(this.shown.workloads.with(released.map(id => [id, undefined])), services)
  }

  /** Lets go of all that is held. */
  releaseAll(): void {
    this.release(this.held.keys())
    const services = [...this.#heldServices]
    this.#heldServices.clear()
    this.#show(this.shown.workloads, services)
  }

  get heldServices(): number {
    return this.#heldServices.size
  }

  /** Workloads of services that lose all endpoints at once. */
  #lostWith(gone: readonly string[], next: RegistrySnapshot, doubted: (had: Service) => boolean): readonly string[] {
    const keys = new Set(gone.flatMap(id => [...this.#users.ownersOf(id)]))
    return [...keys].flatMap(key => {
      const had = this.shown.services.get(key)
      if (had === undefined || !doubted(had)) return []
      const ids = had.endpoints.map(endpoint => endpoint.workload)
      return ids.some(id => next.workloads.has(id)) ? [] : ids
    })
  }

  #show(workloads: Table<Workload>, services: Iterable<string>): void {
    const changes = [...services].map(key => [key, this.#service(key)] as const)
    for (const [key, service] of changes) this.#users.set(key, service?.endpoints.map(one => one.workload) ?? [])
    const next = { workloads, services: this.shown.services.with(changes), problems: this.latest.problems }
    this.shown = changed(this.shown, next)
  }

  /** The service as the registry has it now, with the endpoints that are held. */
  #service(key: string): Service | undefined {
    const now = this.latest.services.get(key)
    const had = this.shown.services.get(key)
    const kept = had?.endpoints.filter(({ workload }) => this.held.has(workload)) ?? []
    if (now !== undefined) return kept.length === 0 ? now : { ...now, endpoints: [...now.endpoints, ...kept] }
    if (had === undefined || (kept.length === 0 && !this.#heldServices.has(key))) return undefined
    return kept.length === had.endpoints.length ? had : { ...had, endpoints: kept }
  }
}
