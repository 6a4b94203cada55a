import type { AgentResource } from '../../mesh/model/agent-config.ts'
import type { CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import { compileNode } from './node.ts'
import { createPlacement } from './placement.ts'
import { createServiceCompiler } from './services.ts'
import type { CompileSettings, MayHold, MtlsVerdict } from './settings.ts'
import { isVisible, namespacesOf } from './visibility.ts'

export interface CompileInput {
  readonly catalogue: CatalogueSnapshot
  readonly node: string
  readonly settings: CompileSettings
  readonly mayHold: MayHold
  readonly mtls: MtlsVerdict
}

/**
 * Everything one agent gets: its host, whom it believes, its own workloads, and all services they may call. Pure: the
 * same input gives the same resources in the same order. The pusher does the same in two halves, so that what is equal
 * for all agents is compiled once.
 */
export function compile({ catalogue, node, settings, mayHold, mtls }: CompileInput): readonly AgentResource[] {
  const own = compileNode({ node, placement: createPlacement()(catalogue), settings, mayHold, mtls })
  const namespaces = namespacesOf(own)
  const visible = [...createServiceCompiler()(catalogue, settings)].filter(([key]) => {
    return isVisible(catalogue.services.get(key)?.exportTo, namespaces)
  })
  return [...own, ...visible.map(([, service]) => service)]
}
