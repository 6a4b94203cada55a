import { createHash } from 'node:crypto'
import type { AgentResource } from '../model/agent-config.ts'
import { resourceName } from '../model/agent-config.ts'
import { malformed } from './fields.ts'
import type { EncodedResource } from './messages.ts'
import { decodeBody } from './resource-decode.ts'
import { encodeBody } from './resource-encode.ts'

/** SHA-256 of a resource's body, first 16 bytes, hex: equal hashes mean that nothing needs to be sent. */
export function hashOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 32)
}

/** A resource as it travels; the same value always gives the same bytes and so the same hash. */
export function encodeResource(resource: AgentResource): EncodedResource {
  const body = encodeBody(resource)
  // an agent that has never heard of dry runs would put the policy in force
  const needs = resource.kind === 'policy' && resource.dryRun ? ({ needs: 'policy-dry-run' } as const) : {}
  return { name: resourceName(resource), hash: hashOf(body), body, ...needs }
}

/**
 * Reads and checks one resource. Throws WEFT_WIRE, naming resource and field, for bytes that are not a resource, for
 * values out of range or unknown to this build, and for a name that is not the content's own.
 */
export function decodeResource(name: string, body: Buffer): AgentResource {
  const resource = decodeBody(name, body)
  const own = resourceName(resource)
  if (own !== name) throw malformed(`resource ${name}`, `holds ${own}`)
  return resource
}
