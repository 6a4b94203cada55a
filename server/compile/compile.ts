import type { AgentResource } from '../../mesh/model/agent-config.ts'
import type { CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import { delegationsOf } from './delegations.ts'
import { compileNode } from './node.ts'
import { createPlacement } from './placement.ts'
import { createPolicyCompiler } from './policy.ts'
import { indexPolicies, policiesOn } from './policy-index.ts'
import { createServiceCompiler } from './services.ts'
import type { CompileSettings, KeysOf, MayHold, MtlsVerdict } from './settings.ts'
import { createTrafficCompiler } from './traffic.ts'
import { concerns, isVisible, namespacesOf } from './visibility.ts'

export interface CompileInput {
  readonly catalogue: CatalogueSnapshot
  /** Everything operators have applied. */
  readonly resources: readonly Resource[]
  readonly node: string
  readonly settings: CompileSettings
  readonly mayHold: MayHold
  readonly mtls: MtlsVerdict
  readonly keysOf: KeysOf
}

/**
 * Everything one agent gets: its host, whom it believes, its own workloads, all services they may call, and what
 * operators say about that traffic and about calls of its own workloads. Pure: the same input gives the same resources in the same order. The pusher does the
 * same in two halves, so that what is equal for all agents is compiled once.
 */
export function compile({
  catalogue,
  resources,
  node,
  settings,
  mayHold,
  mtls,
  keysOf,
}: CompileInput): readonly AgentResource[] {
  const placement = createPlacement()(catalogue)
  const own = compileNode({ node, placement, settings, mayHold, mtls })
  const namespaces = namespacesOf(own)
  const services = [...createServiceCompiler()(catalogue, settings).values()].filter(({ exportTo }) => {
    return isVisible(exportTo, namespaces)
  })
  const serviceNamespaces = new Set(services.map(({ namespace }) => namespace))
  const traffic = [...createTrafficCompiler()(resources).values()]
  const delegations = delegationsOf(traffic)
  const scope = { namespaces, serviceNamespaces, rootNamespace: settings.rootNamespace, delegations }
  const policies = createPolicyCompiler()(resources, keysOf)
  const chosen = policiesOn(node, placement, indexPolicies(policies, settings.rootNamespace))
  return [
    ...own,
    ...services,
    ...traffic.filter(resource => concerns(resource, scope)),
    ...[...policies].flatMap(([name, policy]) => (chosen.has(name) ? [policy] : [])),
  ]
}
