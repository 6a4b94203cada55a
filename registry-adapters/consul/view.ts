import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { serviceKey } from '../../mesh/model/service.ts'
import type { ConsulInstance } from './answers.ts'
import type { ReadService } from './hints.ts'
import type { TranslateContext } from './translate-instance.ts'
import { type ServiceFragment, translateService } from './translate-service.ts'

/** What has been read of Consul so far, service by service. */
export interface View {
  /** Replaces what is known of one service. */
  set(name: string, instances: readonly ConsulInstance[]): void
  /** Forgets every service that is not among these. */
  retain(names: { has(name: string): boolean }): void
  has(name: string): boolean
  /** Every service with its instances as they were read last. */
  all(): Iterable<ReadService>
  /** Everything as one snapshot, or undefined when nothing that shows has changed since the last call. */
  takeChange(): RegistrySnapshot | undefined
}

interface Entry {
  readonly fragment: ServiceFragment
  /** The fragment as text, to see whether anything that shows has changed. */
  readonly text: string
  readonly instances: readonly ConsulInstance[]
}

/** An empty view; its first change is a snapshot even when that is empty. */
export function createView(context: TranslateContext): View {
  const entries = new Map<string, Entry>()
  let changed = true

  return {
    set(name, instances) {
      const fragment = translateService(name, instances, context)
      const { services, workloads, problems } = fragment
      const text = JSON.stringify([services, workloads, problems])
      const before = entries.get(name)?.text ?? emptyText
      entries.set(name, { fragment, text, instances })
      if (text !== before) changed = true
    },
    retain(names) {
      for (const [name, { text }] of entries) {
        if (names.has(name)) continue
        entries.delete(name)
        if (text !== emptyText) changed = true
      }
    },
    has: name => entries.has(name),
    all: () => [...entries].map(([name, { instances }]) => [name, instances]),
    takeChange() {
      if (!changed) return undefined
      changed = false
      return mergeFragments([...entries.values()].map(entry => entry.fragment))
    },
  }
}

const emptyText = JSON.stringify([[], [], []])

/**
 * Puts the services together, ordered by key and id. An instance that was registered anew under another service name
 * may stand in two answers for a moment: the newer write counts.
 */
function mergeFragments(fragments: readonly ServiceFragment[]): RegistrySnapshot {
  const owners = new Map<string, ServiceFragment>()
  for (const fragment of fragments) {
    for (const [id, revision] of fragment.revisions) {
      const other = owners.get(id)?.revisions.get(id) ?? -1
      if (revision > other) owners.set(id, fragment)
    }
  }
  const services = fragments.flatMap(fragment =>
    fragment.services.map(service => {
      const endpoints = service.endpoints.filter(endpoint => owners.get(endpoint.workload) === fragment)
      return endpoints.length === service.endpoints.length ? service : { ...service, endpoints }
    }),
  )
  const workloads = fragments.flatMap(fragment => fragment.workloads.filter(({ id }) => owners.get(id) === fragment))
  const problems = fragments.flatMap(fragment => fragment.problems)
  return {
    services: services.sort((a, b) => compare(serviceKey(a), serviceKey(b))),
    workloads: workloads.sort((a, b) => compare(a.id, b.id)),
    problems: problems.sort((a, b) => compare(a.item, b.item) || compare(a.reason, b.reason)),
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
