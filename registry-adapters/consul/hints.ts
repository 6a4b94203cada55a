import type { ConsulCheck, ConsulInstance, ConsulNode } from './answers.ts'

/**
 * What the standing queries say about where to look: names of services to read first. A hint is never data itself, so
 * one too many costs a read. Nodes and checks are compared with what was read of the services, not with the list
 * before: a read may have met a state that came and went between two lists.
 */

/** Services that are new or whose set of tags differs from the list before. */
export function changedNames(
  before: ReadonlyMap<string, readonly string[]>,
  now: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  return [...now].flatMap(([name, tags]) => {
    const known = before.get(name)
    return known !== undefined && sameSet(new Set(known), new Set(tags)) ? [] : [name]
  })
}

/** What was read of one service. */
export type ReadService = readonly [name: string, instances: readonly ConsulInstance[]]

/** Services that were read when one of their nodes was not as it is listed. */
export function outdatedByNodes(read: Iterable<ReadService>, nodes: readonly ConsulNode[]): readonly string[] {
  const listed = new Map(nodes.map(node => [node.name, JSON.stringify(node)]))
  const differs = ({ node }: ConsulInstance) => (listed.get(node.name) ?? JSON.stringify(node)) !== JSON.stringify(node)
  return [...read].flatMap(([name, instances]) => (instances.some(differs) ? [name] : []))
}

/** Services that were read when their checks, or their nodes', were not as they are listed. Passing ones do not count. */
export function outdatedByChecks(read: Iterable<ReadService>, checks: readonly ConsulCheck[]): readonly string[] {
  const amiss = checks.filter(check => check.status !== 'passing')
  const ofNode = Map.groupBy(
    amiss.filter(check => check.service === ''),
    check => check.node,
  )
  const ofService = Map.groupBy(amiss, check => check.service)
  return [...read].flatMap(([name, instances]) => {
    const nodes = new Set(instances.map(instance => instance.node.name))
    const listed = [...(ofService.get(name) ?? []), ...[...nodes].flatMap(node => ofNode.get(node) ?? [])]
    const known = instances.flatMap(instance => instance.checks.filter(check => check.status !== 'passing'))
    return sameSet(new Set(listed.map(textOf)), new Set(known.map(textOf))) ? [] : [name]
  })
}

/** Check ids are unique within a node. */
function textOf(check: ConsulCheck): string {
  return `${check.node}\n${check.id}\n${check.status}`
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every(item => b.has(item))
}
