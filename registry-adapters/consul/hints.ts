import type { ConsulCheck, ConsulNode } from './answers.ts'

/**
 * What the standing queries say about where to look: names of services to read first. A hint is never data itself, so
 * one too many costs a read and one too few only time.
 */

/** Services that are new or whose set of tags differs. */
export function changedNames(
  before: ReadonlyMap<string, readonly string[]>,
  now: ReadonlyMap<string, readonly string[]>,
): readonly string[] {
  return [...now].flatMap(([name, tags]) => {
    const known = before.get(name)
    return known !== undefined && [...known].sort().join('\n') === [...tags].sort().join('\n') ? [] : [name]
  })
}

/** Nodes that are in both answers and differ; a node that came or went has its services come or go. */
export function changedNodes(before: readonly ConsulNode[], now: readonly ConsulNode[]): readonly string[] {
  const known = new Map(before.map(node => [node.name, JSON.stringify(node)]))
  return now.flatMap(node => {
    const text = known.get(node.name)
    return text === undefined || text === JSON.stringify(node) ? [] : [node.name]
  })
}

/** The services, and the nodes with all their services, whose checks came, went or changed status. */
export function changedChecks(
  before: readonly ConsulCheck[],
  now: readonly ConsulCheck[],
): { readonly services: readonly string[]; readonly nodes: readonly string[] } {
  const known = new Map(before.map(check => [keyOf(check), check]))
  const services = new Set<string>()
  const nodes = new Set<string>()
  const mark = (check: ConsulCheck) => void (check.service === '' ? nodes.add(check.node) : services.add(check.service))
  for (const check of now) {
    if (known.get(keyOf(check))?.status !== check.status) mark(check)
    known.delete(keyOf(check))
  }
  for (const gone of known.values()) mark(gone)
  return { services: [...services], nodes: [...nodes] }
}

/** Check ids are unique within a node. */
function keyOf(check: ConsulCheck): string {
  return `${check.node}\n${check.id}`
}
