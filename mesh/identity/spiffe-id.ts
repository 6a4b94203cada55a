import { MeshError } from '../std/errors.ts'

/**
 * Who someone is, after the SPIFFE standard (SPIFFE-ID.md). Workloads use Istio's path `/ns/<ns>/sa/<sa>`; the mesh's
 * own parts live under the reserved `/mesh/`, so that an agent can never be mistaken for a workload.
 */
export type SpiffeId =
  | {
      readonly kind: 'workload'
      readonly trustDomain: string
      readonly namespace: string
      readonly serviceAccount: string
    }
  | { readonly kind: 'agent'; readonly trustDomain: string; readonly node: string }
  | { readonly kind: 'server'; readonly trustDomain: string; readonly name: string }

/** Longest SPIFFE id in bytes (SPIFFE-ID.md section 2.3). */
const maxIdBytes = 2048
/** Longest trust domain in bytes (SPIFFE-ID.md section 2.1). */
const maxTrustDomainBytes = 255

const trustDomainPattern = /^[a-z0-9._-]+$/
const segmentPattern = /^[A-Za-z0-9._-]+$/
const namespacePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const serviceAccountPattern = /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/

/**
 * Reads `spiffe://<trust-domain>/...` strictly: lower-case scheme and trust domain, no port, no user, no percent
 * signs, no empty or dot segments, at most 2048 bytes, and one of the three paths Weft knows. Anything else throws
 * WEFT_SPIFFE_ID; nothing is ever repaired.
 */
export function parseSpiffeId(text: string): SpiffeId {
  if (text.length > maxIdBytes) throw refused('spiffe id is longer than 2048 bytes', { length: text.length })
  const prefix = 'spiffe://'
  if (!text.startsWith(prefix)) throw refused('spiffe id does not start with spiffe://', { id: text })
  const [trustDomain = '', ...path] = text.slice(prefix.length).split('/')
  checkTrustDomain(trustDomain)
  const [first, second = '', third, fourth = ''] = path
  if (path.length === 4 && first === 'ns' && third === 'sa') {
    return freeze({ kind: 'workload', trustDomain, namespace: second, serviceAccount: fourth })
  }
  if (path.length === 3 && first === 'mesh' && second === 'agent') {
    return freeze({ kind: 'agent', trustDomain, node: third ?? '' })
  }
  if (path.length === 3 && first === 'mesh' && second === 'server') {
    return freeze({ kind: 'server', trustDomain, name: third ?? '' })
  }
  throw refused('spiffe id has a path that weft does not know', { id: text })
}

/** Writes the id as a URI; throws WEFT_SPIFFE_ID when a part cannot stand in one. */
export function formatSpiffeId(id: SpiffeId): string {
  checkParts(id)
  const text = `spiffe://${id.trustDomain}${pathOf(id)}`
  if (text.length > maxIdBytes) throw refused('spiffe id is longer than 2048 bytes', { length: text.length })
  return text
}

/**
 * The id of a workload. The namespace must be a DNS label; the service account lower-case letters, digits, `.`, `_`
 * and `-`, beginning and ending in a letter or digit. Throws WEFT_SPIFFE_ID for any other name: rewriting it could
 * give two workloads one identity.
 */
export function workloadSpiffeId(trustDomain: string, namespace: string, serviceAccount: string): string {
  return formatSpiffeId({ kind: 'workload', trustDomain, namespace, serviceAccount })
}

/** The id of the agent on a node, named as the agent calls itself; throws WEFT_SPIFFE_ID for an unmappable name. */
export function agentSpiffeId(trustDomain: string, node: string): string {
  return formatSpiffeId({ kind: 'agent', trustDomain, node })
}

/** The id of a server; throws WEFT_SPIFFE_ID for an unmappable name. */
export function serverSpiffeId(trustDomain: string, name: string): string {
  return formatSpiffeId({ kind: 'server', trustDomain, name })
}

/** Throws WEFT_SPIFFE_ID unless the text is a trust domain: `[a-z0-9._-]`, at most 255 bytes (SPIFFE-ID.md 2.1). */
export function checkTrustDomain(trustDomain: string): void {
  if (trustDomain.length > maxTrustDomainBytes || !trustDomainPattern.test(trustDomain)) {
    throw refused('trust domain is not lower-case letters, digits, dots, dashes and underscores', { trustDomain })
  }
}

function freeze(id: SpiffeId): SpiffeId {
  checkParts(id)
  return Object.freeze(id)
}

function checkParts(id: SpiffeId): void {
  checkTrustDomain(id.trustDomain)
  switch (id.kind) {
    case 'workload':
      if (!namespacePattern.test(id.namespace)) {
        throw refused('namespace cannot stand in a spiffe id', { namespace: id.namespace })
      }
      if (!serviceAccountPattern.test(id.serviceAccount) || id.serviceAccount.includes('..')) {
        throw refused('service account cannot stand in a spiffe id', { serviceAccount: id.serviceAccount })
      }
      return
    case 'agent':
      checkName('node', id.node)
      return
    case 'server':
      checkName('server', id.name)
      return
  }
}

function checkName(what: 'node' | 'server', name: string): void {
  if (name.length > 253 || !segmentPattern.test(name) || name === '.' || name === '..') {
    throw refused(`${what} name cannot stand in a spiffe id`, { [what]: name })
  }
}

function pathOf(id: SpiffeId): string {
  switch (id.kind) {
    case 'workload':
      return `/ns/${id.namespace}/sa/${id.serviceAccount}`
    case 'agent':
      return `/mesh/agent/${id.node}`
    case 'server':
      return `/mesh/server/${id.name}`
  }
}

function refused(message: string, fields: Record<string, unknown>): MeshError {
  return new MeshError('WEFT_SPIFFE_ID', message, { fields })
}
