import type { ConsulCheck, ConsulInstance, ConsulNode } from './answers.ts'
import { sameSet } from './hints.ts'

/** A status of checks that is listed by a standing query. */
export type AmissStatus = 'critical' | 'warning'

/**
 * What the standing queries on nodes and checks say about where to look. They are compared with what was read of the
 * services, not with the list before: a read may have met a state that came and went between two lists. What they give
 * is a hint, never data itself, so one too many costs a read.
 */
export interface ReadIndex {
  /** Keeps with which nodes and checks a service was read. */
  read(name: string, instances: readonly ConsulInstance[]): void
  /** Forgets every service that is not among these. */
  retain(names: { has(name: string): boolean }): void
  /** Services that were read when one of their nodes was not as it is listed. */
  outdatedByNodes(nodes: readonly ConsulNode[]): readonly string[]
  /** Services that were read when other checks of this status, their own or their nodes', were there than are listed. */
  outdatedByChecks(status: AmissStatus, listed: readonly ConsulCheck[]): readonly string[]
}

/** Nothing has been read. A question costs what it lists and what is amiss, not what was read. */
export function createReadIndex(): ReadIndex {
  /** By node: the services on it, with the node as text as they were read with it. */
  const servicesOn = new Map<string, Map<string, string>>()
  const nodesOf = new Map<string, readonly string[]>()
  /** By status and service: checks that are not passing. */
  const amiss = { critical: new Map<string, Set<string>>(), warning: new Map<string, Set<string>>() }

  function forget(name: string): void {
    for (const node of nodesOf.get(name) ?? []) {
      const services = servicesOn.get(node)
      services?.delete(name)
      if (services?.size === 0) servicesOn.delete(node)
    }
    nodesOf.delete(name)
    amiss.critical.delete(name)
    amiss.warning.delete(name)
  }

  return {
    read(name, instances) {
      forget(name)
      const nodes = new Map(instances.map(({ node }) => [node.name, node]))
      nodesOf.set(name, [...nodes.keys()])
      for (const node of nodes.values()) {
        const services = servicesOn.get(node.name) ?? new Map<string, string>()
        servicesOn.set(node.name, services.set(name, JSON.stringify(node)))
      }
      for (const check of instances.flatMap(({ checks }) => checks)) {
        if (check.status !== 'passing') add(amiss[check.status], name, textOf(check))
      }
    },
    retain(names) {
      for (const name of [...nodesOf.keys()]) if (!names.has(name)) forget(name)
    },
    outdatedByNodes(nodes) {
      const outdated = new Set<string>()
      for (const node of nodes) {
        const text = JSON.stringify(node)
        for (const [name, asRead] of servicesOn.get(node.name) ?? []) if (asRead !== text) outdated.add(name)
      }
      return [...outdated]
    },
    outdatedByChecks(status, listed) {
      const expected = new Map<string, Set<string>>()
      for (const check of listed) {
        const services = check.service === '' ? (servicesOn.get(check.node)?.keys() ?? []) : [check.service]
        for (const name of services) if (nodesOf.has(name)) add(expected, name, textOf(check))
      }
      const known = amiss[status]
      const candidates = new Set([...expected.keys(), ...known.keys()])
      const none = new Set<string>()
      return [...candidates].filter(name => !sameSet(expected.get(name) ?? none, known.get(name) ?? none))
    },
  }
}

/** Check ids are unique within a node. */
function textOf(check: ConsulCheck): string {
  return `${check.node}\n${check.id}`
}

function add(sets: Map<string, Set<string>>, key: string, item: string): void {
  const set = sets.get(key) ?? new Set()
  sets.set(key, set.add(item))
}
