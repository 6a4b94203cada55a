import { describeResource, type Resource } from '../mesh/resources/resource.ts'
import { MeshError } from '../mesh/std/errors.ts'
import type { Need } from './access/grants.ts'
import type { AuditedChange } from './audit/audit-entry.ts'
import type { StoredResource } from './store/store.ts'

/** Who writes resources. */
export interface ResourceWriter {
  readonly name: string
  /** Throws WEFT_FORBIDDEN. */
  demand(need: Need): void
  wrote(change: AuditedChange): void
  wroteNothing(): void
}

/** Kinds that say something of hosts and callers of every namespace, wherever they stand. */
const meshWide: ReadonlySet<string> = new Set(['MeshSettings', 'JoinPolicy'])

/** What it takes to write a resource. */
export function writeNeed({ kind, namespace }: Pick<StoredResource, 'kind' | 'namespace'>): Need {
  return { verb: 'write', of: 'resources', ...(!meshWide.has(kind) && { namespace }) }
}

/** The resource as it is kept: the version is the store's, not the document's. */
export function withoutVersion<T extends Resource>(resource: T): T {
  const { resourceVersion: _version, ...metadata } = resource.metadata
  return { ...resource, metadata }
}

/**
 * Throws WEFT_RESOURCE_CONFLICT when a resource was read at another version than is stored now, naming both and who wrote
 * the newer one. A resource without a version overwrites whatever there is.
 */
export function refuseOutdated(resource: Resource, stored: StoredResource | undefined): void {
  const expected = resource.metadata.resourceVersion
  if (expected === undefined || String(stored?.version) === expected) return
  const name = describeResource(resource)
  const next =
    'read it again with weft get -o yaml and repeat the change, or overwrite with --force; nothing was applied'
  if (stored === undefined) {
    throw new MeshError('WEFT_RESOURCE_CONFLICT', `${name} was read at version ${expected}, and there is none now`, {
      fields: { resource: name, expected },
      next,
    })
  }
  const { version, writtenBy } = stored
  const writer = writtenBy === '' ? 'before writers were noted' : `by ${writtenBy}`
  throw new MeshError(
    'WEFT_RESOURCE_CONFLICT',
    `${name} was read at version ${expected}, and is at version ${version} now, written ${writer}`,
    { fields: { resource: name, expected, version, writtenBy }, next },
  )
}

/** A write for the audit log. */
export function auditedWrite(
  { kind, namespace, name }: Pick<StoredResource, 'kind' | 'namespace' | 'name'>,
  before: string | undefined,
  after: string | undefined,
): AuditedChange {
  return {
    what: `${kind} ${namespace}/${name}`,
    kind,
    namespace,
    ...(before !== undefined && { before: JSON.parse(before) }),
    ...(after !== undefined && { after: JSON.parse(after) }),
  }
}
