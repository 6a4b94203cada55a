import { quoted } from '../quoted.ts'
import type { NomadNode } from './answers.ts'
import { nodeSetting } from './settings-of-registration.ts'

/** What a node is called in the mesh, or why it cannot be told. */
export type NodeName = { readonly name: string } | { readonly reason: string }

/** The node's own `weft-node`, else its name in Nomad. */
export function meshNameOf(node: NomadNode): string {
  return nodeSetting(node.meta, 'node') ?? node.name
}

/**
 * The name of a node that no other one has. Nomad lets two nodes be called the same; only one of them can be the host
 * whose agent has that name, so neither is used. A node that is down is one that was replaced.
 */
export function nodeNameOf(node: NomadNode, sameName: Iterable<NomadNode>): NodeName {
  const name = meshNameOf(node)
  const other = [...sameName].find(({ id, status }) => id !== node.id && status !== 'down')
  if (other === undefined) return { name }
  const both = [node.id, other.id].sort().join(' and ')
  return { reason: `nodes ${both} are both called ${quoted(name)}: set weft-node in the meta of one` }
}
