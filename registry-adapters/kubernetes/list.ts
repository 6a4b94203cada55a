import { isObject, type JsonObject, objectOf, text } from '../json.ts'
import { about, isFailure, kubernetesError } from './client/errors.ts'
import { type RequestDeps, readJson } from './client/request.ts'
import type { Versioned } from './object-table.ts'
import type { ObjectKey } from './objects.ts'
import type { Read } from './reads.ts'

/** A whole collection as it was at one version. */
export interface Listed<T> {
  readonly version: string
  readonly objects: readonly Versioned<T>[]
}

/** A list whose pages expire while they are read is begun again with larger ones, so many times. */
const maxBeginnings = 4
const growth = 4

/**
 * Lists a collection page by page, all of them of one moment: without a resource version the API server answers with
 * the newest state, and its `continue` token stays with that. A list counts only when it is complete and says its
 * version. Throws WEFT_REGISTRY_UNAVAILABLE.
 */
export async function listAll<T>(
  read: Read,
  version: string,
  toValue: (object: JsonObject) => T,
  deps: RequestDeps,
  signal: AbortSignal,
): Promise<Listed<T>> {
  let limit = deps.pace.pageSize
  for (let beginning = 1; ; beginning += 1) {
    const listed = await listOnce(read, version, limit, toValue, deps, signal)
    if (listed !== undefined) return listed
    if (beginning === maxBeginnings) {
      throw kubernetesError('expired', 'a list of kubernetes expires before it can be read', { ...asked(read), limit })
    }
    limit *= growth
  }
}

/** Undefined when the place in the list expired, or when the pages turn out to be of two moments. */
async function listOnce<T>(
  read: Read,
  version: string,
  limit: number,
  toValue: (object: JsonObject) => T,
  deps: RequestDeps,
  signal: AbortSignal,
): Promise<Listed<T> | undefined> {
  const objects: Versioned<T>[] = []
  let resourceVersion: string | undefined
  let token = ''
  for (;;) {
    const parameters = { limit: String(limit), ...(token !== '' && { continue: token }) }
    let body: unknown
    try {
      body = await readJson({ read, verb: 'list', version, parameters }, deps, signal)
    } catch (error) {
      if (token !== '' && isFailure(error, 'expired')) return undefined
      throw error
    }
    const page = pageOf(body, read)
    resourceVersion ??= page.version
    if (page.version !== resourceVersion) return undefined
    for (const item of page.items) {
      objects.push(versionedOf(item, { read, verb: 'list', missing: resourceVersion }, toValue))
    }
    if (page.next === '') return { version: resourceVersion, objects }
    token = page.next
  }
}

/** Reads an object of a list or a watch; throws WEFT_REGISTRY_UNAVAILABLE for what is none. */
export function versionedOf<T>(
  item: unknown,
  { read, verb, missing = '' }: { readonly read: Read; readonly verb: 'list' | 'watch'; readonly missing?: string },
  toValue: (object: JsonObject) => T,
): Versioned<T> {
  const object = objectOf(item)
  const metadata = objectOf(object.metadata)
  const key = keyOf(metadata)
  const version = text(metadata.resourceVersion) || missing
  if (key === undefined || version === '') {
    throw kubernetesError(
      'bad-answer',
      'kubernetes answers with an object without name or version',
      about({ read, verb }),
    )
  }
  return { key, version, value: toValue(object) }
}

/** `namespace/name`; undefined for an object without a name. */
function keyOf(metadata: JsonObject): ObjectKey | undefined {
  const name = text(metadata.name)
  const namespace = text(metadata.namespace)
  if (name === '') return undefined
  return namespace === '' ? name : `${namespace}/${name}`
}

interface Page {
  readonly version: string
  readonly next: string
  readonly items: readonly unknown[]
}

function pageOf(body: unknown, read: Read): Page {
  const { kind, metadata, items } = objectOf(body)
  const version = text(objectOf(metadata).resourceVersion)
  // an empty list may come as null
  const good = isObject(metadata) && version !== '' && (Array.isArray(items) || items === null)
  if (!good || !text(kind).endsWith('List')) {
    throw kubernetesError('bad-answer', 'kubernetes answers with something that is no list', asked(read))
  }
  return { version, next: text(metadata.continue), items: items ?? [] }
}

function asked(read: Read): Readonly<Record<string, unknown>> {
  return about({ read, verb: 'list' })
}
