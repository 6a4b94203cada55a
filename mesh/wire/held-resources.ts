import type { AgentConfig, AgentResource } from '../model/agent-config.ts'
import type { UnreadablePolicy } from '../model/policy.ts'
import { policyConfigOf } from '../model/policy-resource.ts'
import { trafficConfigOf } from '../model/traffic-resource.ts'
import { describeError } from '../std/errors.ts'
import { decodeResource, hashOf } from './agent-config-codec.ts'
import { malformed } from './fields.ts'
import type { EncodedResource, RejectedResource } from './messages.ts'
import { unreadablePolicy } from './unreadable-policy.ts'

/** A resource an agent holds: as it came, for the disk and for `have`, and as it is used. */
export interface HeldResource extends EncodedResource {
  readonly resource: AgentResource | UnreadablePolicy
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

/**
 * What is held of a resource that cannot be used and has no version that can: of a policy, that it is there. Undefined for
 * everything else, which is left out.
 */
export function standIn({ name, hash, body }: EncodedResource): HeldResource | undefined {
  const resource = unreadablePolicy(name, hashOf(body) === hash ? body : undefined)
  return resource && Object.freeze({ name, hash, body: Buffer.from(body), resource })
}

/** What a server is told to be held: of a policy that cannot be read no version, so that it is sent and refused again. */
export function haveOf(held: HeldResources): readonly { readonly name: string; readonly hash: string }[] {
  return [...held.values()].map(({ name, hash, resource }) => {
    return { name, hash: resource.kind === 'unreadable-policy' ? noHash : hash }
  })
}

const noHash = '0'.repeat(32)

/**
 * Takes back what was saved; what does not decode any more is left out, so that the server sends it again, save policies:
 * of these it stays known that they are there.
 */
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
      const inItsPlace = standIn(encoded)
      if (inItsPlace !== undefined) held.set(encoded.name, inItsPlace)
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
      byName.flatMap(({ resource }) => (resource.kind === 'unreadable-policy' ? [resource] : [])),
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
