import type { AgentConfig, AgentResource } from '../model/agent-config.ts'
import { policyConfigOf } from '../model/policy-resource.ts'
import { trafficConfigOf } from '../model/traffic-resource.ts'
import { describeError } from '../std/errors.ts'
import { decodeResource, hashOf } from './agent-config-codec.ts'
import { malformed } from './fields.ts'
import type { EncodedResource, RejectedResource } from './messages.ts'

/** A resource an agent holds: as it came, for the disk and for `have`, and as it is used. */
export interface HeldResource extends EncodedResource {
  readonly resource: AgentResource
}

/** Everything an agent holds, by name. A change is a new map. */
export type HeldResources = ReadonlyMap<string, HeldResource>

/**
 * Checks and decodes one resource. The body is copied, so that a small resource does not keep the whole message it came
 * in alive. Throws WEFT_WIRE when the body is not what its hash or its name says.
 */
export function holdResource(encoded: EncodedResource): HeldResource {
  const { name, hash } = encoded
  if (hashOf(encoded.body) !== hash) throw malformed(`resource ${name}`, 'does not have the hash it was sent with')
  const body = Buffer.from(encoded.body)
  return Object.freeze({ name, hash, body, resource: decodeResource(name, body) })
}

/** Takes back what was saved; what does not decode any more is left out, so that the server sends it again. */
export function restoreResources(saved: Iterable<EncodedResource>): {
  readonly held: HeldResources
  readonly unusable: readonly RejectedResource[]
} {
  const held = new Map<string, HeldResource>()
  const unusable: RejectedResource[] = []
  for (const encoded of saved) {
    try {
      held.set(encoded.name, holdResource(encoded))
    } catch (error) {
      unusable.push({ name: encoded.name, reason: describeError(error) })
    }
  }
  return { held, unusable }
}

/**
 * The configuration that the held resources make up, ordered by name; undefined while `host` or `trust` is missing,
 * because nothing can be decided without them.
 */
export function agentConfigOf(held: HeldResources): AgentConfig | undefined {
  const host = held.get('host')?.resource
  const trust = held.get('trust')?.resource
  if (host?.kind !== 'host' || trust?.kind !== 'trust') return undefined
  const byName = [...held.values()].sort((one, other) => (one.name < other.name ? -1 : 1))
  const traffic = trafficConfigOf(
    host.rootNamespace,
    byName.flatMap(({ resource }) => (resource.kind === 'traffic' ? [resource] : [])),
  )
  const { trustDomainAliases = [] } = traffic.mesh
  return {
    host,
    trust,
    workloads: byName.flatMap(({ resource }) => (resource.kind === 'workload' ? [resource] : [])),
    services: byName.flatMap(({ resource }) => (resource.kind === 'service' ? [resource] : [])),
    traffic,
    policies: policyConfigOf(
      { rootNamespace: host.rootNamespace, trustDomain: host.trustDomain, trustDomainAliases },
      byName.flatMap(({ resource }) => (resource.kind === 'policy' ? [resource] : [])),
    ),
  }
}

/** Names that were added, removed or changed from one set to the other, in order. */
export function changedNames(from: HeldResources, to: HeldResources): readonly string[] {
  const names = new Set<string>()
  for (const [name, { hash }] of to) if (from.get(name)?.hash !== hash) names.add(name)
  for (const name of from.keys()) if (!to.has(name)) names.add(name)
  return [...names].sort()
}
