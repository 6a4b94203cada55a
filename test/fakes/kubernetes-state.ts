import { randomUUID } from 'node:crypto'

/** An object of the API as somebody applies it. */
export interface ApiObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: ApiMetadata
  readonly [field: string]: unknown
}

export interface ApiMetadata {
  readonly name: string
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

/** One write, as watches tell it. */
export interface Change {
  readonly version: number
  readonly resource: string
  /** As it was before, and as it is now. */
  readonly before: ApiObject | undefined
  readonly now: ApiObject | undefined
}

/** Plural names of the kinds that the fake knows, with their API groups. */
export const resources: Readonly<
  Record<string, { readonly group: string; readonly resource: string; readonly crd?: true }>
> = {
  Service: { group: '', resource: 'services' },
  Pod: { group: '', resource: 'pods' },
  Node: { group: '', resource: 'nodes' },
  EndpointSlice: { group: 'discovery.k8s.io', resource: 'endpointslices' },
  ServiceEntry: { group: 'networking.istio.io', resource: 'serviceentries', crd: true },
  WorkloadEntry: { group: 'networking.istio.io', resource: 'workloadentries', crd: true },
  WorkloadGroup: { group: 'networking.istio.io', resource: 'workloadgroups', crd: true },
}

/**
 * What an API server holds: objects with one growing resource version over all of them, and the history of writes as
 * far as it has not been compacted.
 */
export class FakeKubernetesState {
  #version = 1000
  #compacted = 0
  #history: Change[] = []
  readonly #objects = new Map<string, Map<string, ApiObject>>()

  get version(): number {
    return this.#version
  }

  /** Versions from before this one are gone. */
  get compacted(): number {
    return this.#compacted
  }

  /** Creates or replaces an object; gives it what an API server gives. */
  put(given: ApiObject): Change {
    const resource = resourceOf(given.kind)
    const objects = this.#of(resource)
    const key = keyOf(given.metadata)
    const before = objects.get(key)
    this.#version += 1
    const metadata = {
      ...given.metadata,
      uid: before?.metadata.uid ?? randomUUID(),
      creationTimestamp: before?.metadata.creationTimestamp ?? '2026-01-31T12:00:00Z',
      resourceVersion: String(this.#version),
      generation: 1,
      managedFields: [
        { manager: 'kubectl', operation: 'Update', apiVersion: given.apiVersion, fieldsType: 'FieldsV1' },
      ],
    }
    const now = { ...given, metadata }
    objects.set(key, now)
    return this.#record({ version: this.#version, resource, before, now })
  }

  /** Removes an object; undefined when there is none. */
  remove(kind: string, key: string): Change | undefined {
    const resource = resourceOf(kind)
    const before = this.#of(resource).get(key)
    if (before === undefined) return undefined
    this.#of(resource).delete(key)
    this.#version += 1
    return this.#record({ version: this.#version, resource, before, now: undefined })
  }

  /** All objects of a resource, in the order of their keys. */
  all(resource: string): readonly ApiObject[] {
    return [...this.#of(resource)].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
  }

  /** Writes to a resource after a version, oldest first. */
  since(resource: string, version: number): readonly Change[] {
    return this.#history.filter(change => change.resource === resource && change.version > version)
  }

  /** Forgets all history: older versions can neither be watched from nor continued. */
  compact(): void {
    this.#compacted = this.#version
    this.#history = []
  }

  /** Writes that are of no interest here move the version on too. */
  pass(writes: number): void {
    this.#version += writes
  }

  /** A cluster restored from a backup: what it holds, at a version of the past. */
  goBack(version: number): void {
    this.#version = version
    this.#compacted = 0
    this.#history = []
    for (const objects of this.#objects.values()) {
      for (const [key, object] of objects) {
        objects.set(key, { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } })
      }
    }
  }

  #record(change: Change): Change {
    this.#history.push(change)
    return change
  }

  #of(resource: string): Map<string, ApiObject> {
    const objects = this.#objects.get(resource) ?? new Map<string, ApiObject>()
    this.#objects.set(resource, objects)
    return objects
  }
}

function resourceOf(kind: string): string {
  const known = resources[kind]
  if (known === undefined) throw new Error(`the fake knows no ${kind}`)
  return known.resource
}

function keyOf({ name, namespace }: ApiMetadata): string {
  return namespace === undefined ? name : `${namespace}/${name}`
}
