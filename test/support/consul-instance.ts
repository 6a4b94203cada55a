import type { ConsulCheck, ConsulInstance, ConsulNode } from '../../registry-adapters/consul/answers.ts'
import type { TranslateContext } from '../../registry-adapters/consul/translate-instance.ts'

/** How a registry with no options of its own translates. */
export const plainContext: TranslateContext = {
  registry: 'consul',
  meshNamespace: 'default',
  defaultServiceAccount: 'none',
  addressTag: undefined,
}

/** A node with an address and nothing else to say. */
export function consulNode(part: Partial<ConsulNode> = {}): ConsulNode {
  return { name: 'vm-1', address: '10.99.0.1', datacenter: 'dc1', meta: {}, taggedAddresses: {}, ...part }
}

type Part = Partial<Omit<ConsulInstance, 'node'>> & { readonly node?: Partial<ConsulNode> }

/** An instance on such a node, without an address of its own, on port 80. */
export function consulInstance({ node = {}, ...part }: Part = {}): ConsulInstance {
  return {
    node: consulNode(node),
    id: 'api-1',
    kind: '',
    address: '',
    port: 80,
    taggedAddresses: {},
    tags: [],
    namespace: '',
    partition: '',
    meta: {},
    weights: { passing: 1, warning: 1 },
    checks: [],
    modifyIndex: 1,
    ...part,
  }
}

/** A passing check of the service `api`. */
export function consulCheck(part: Partial<ConsulCheck> = {}): ConsulCheck {
  return { node: 'vm-1', id: 'check', name: '', status: 'passing', service: 'api', output: '', notes: '', ...part }
}
