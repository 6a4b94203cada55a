import type { AuthorizationRule } from '../../mesh/model/policy.ts'
import { describeResource, type Resource } from '../../mesh/resources/resource.ts'

/** A policy that asks for what is not kept of calls: what it makes of them is not known. */
export interface NotKept {
  readonly policy: string
  readonly fields: readonly string[]
}

const keptConditions: readonly string[] = [
  'source.ip',
  'source.namespace',
  'source.principal',
  'source.serviceAccount',
  'source.trustDomain',
  'destination.ip',
  'destination.port',
  'request.auth.principal',
]

/** Which AuthorizationPolicies ask for more than flows have; each once. */
export function notKeptBy(resources: readonly Resource[]): readonly NotKept[] {
  const found = new Map<string, Set<string>>()
  for (const resource of resources) {
    if (resource.kind !== 'AuthorizationPolicy') continue
    const fields = (resource.spec.rules ?? []).flatMap(fieldsNotKept)
    if (fields.length === 0) continue
    const policy = describeResource(resource)
    found.set(policy, new Set([...(found.get(policy) ?? []), ...fields]))
  }
  return [...found].map(([policy, fields]) => ({ policy, fields: [...fields].sort() }))
}

function fieldsNotKept({ from = [], to = [], when = [] }: AuthorizationRule): readonly string[] {
  const sources = from.flatMap(({ source }) => [
    ...(source.remoteIpBlocks || source.notRemoteIpBlocks ? ['remoteIpBlocks'] : []),
    ...([...(source.ipBlocks ?? []), ...(source.notIpBlocks ?? [])].some(isNarrow) ? ['ipBlocks'] : []),
  ])
  const operations = to.flatMap(({ operation }) => (operation.hosts || operation.notHosts ? ['hosts'] : []))
  return [...sources, ...operations, ...when.map(({ key }) => key).filter(key => !keptConditions.includes(key))]
}

/** Narrower than what is kept of addresses. */
function isNarrow(block: string): boolean {
  const [address = '', bits] = block.split('/')
  return Number(bits ?? 128) > (address.includes(':') ? 64 : 24)
}
