import { type JsonObject, objectOf, text } from '../json.ts'
import { about, errorOfReport, kubernetesError } from './client/errors.ts'
import { type RequestDeps, readLines } from './client/request.ts'
import { versionedOf } from './list.ts'
import type { Versioned } from './object-table.ts'
import type { Read } from './reads.ts'

/** One event of a watch. A bookmark says only how far the watch has come. */
export type WatchEvent<T> =
  | { readonly kind: 'put'; readonly object: Versioned<T> }
  | { readonly kind: 'removed'; readonly object: Versioned<T> }
  | { readonly kind: 'bookmark'; readonly version: string }

/** Where a watch begins, and how long the API server is asked to keep it. */
export interface WatchFrom {
  /** API version of the group. */
  readonly version: string
  readonly resourceVersion: string
  readonly timeoutMs: number
}

/**
 * Watches a collection from a version on ("Efficient detection of changes" in Kubernetes' API concepts). Ends when the
 * connection does, or when nothing has come for too long; then it is to be taken up again after the last event.
 * `opened` is called when the API server has begun to answer. Throws WEFT_REGISTRY_UNAVAILABLE, of kind `expired` when
 * the version is too old: then everything has to be listed anew.
 */
export async function* watchFrom<T>(
  read: Read,
  from: WatchFrom,
  toValue: (object: JsonObject) => T,
  deps: RequestDeps & { readonly opened: () => void },
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  const parameters = {
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion: from.resourceVersion,
    timeoutSeconds: String(Math.max(1, Math.ceil(from.timeoutMs / 1000))),
  }
  const query = { read, verb: 'watch', version: from.version, parameters } as const
  for await (const line of readLines(query, deps, signal, deps.opened)) yield eventOf(line, read, toValue)
}

function eventOf<T>(line: unknown, read: Read, toValue: (object: JsonObject) => T): WatchEvent<T> {
  const { type, object } = objectOf(line)
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      return { kind: 'put', object: versionedOf(object, { read, verb: 'watch' }, toValue) }
    case 'DELETED':
      return { kind: 'removed', object: versionedOf(object, { read, verb: 'watch' }, toValue) }
    case 'BOOKMARK': {
      const version = text(objectOf(objectOf(object).metadata).resourceVersion)
      if (version !== '') return { kind: 'bookmark', version }
      break
    }
    case 'ERROR': {
      // the same Status that would otherwise have come instead of the watch
      const { code, message } = objectOf(object)
      throw errorOfReport({ read, verb: 'watch' }, typeof code === 'number' ? code : 500, text(message))
    }
  }
  const fields = { ...about({ read, verb: 'watch' }), type: text(type) }
  throw kubernetesError('bad-answer', 'kubernetes sends an event of another shape', fields)
}
