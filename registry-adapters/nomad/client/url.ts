import type { NomadEventsQuery, NomadQuery } from './client.ts'
import { nomadError } from './errors.ts'

/** Path and query of a read. */
export function pathOf(path: string, query: NomadQuery, region: string | undefined): string {
  const { namespace, index, waitMs, stale, filter, perPage, nextToken, params } = query
  const search = new URLSearchParams(params)
  if (region !== undefined) search.set('region', region)
  if (namespace !== undefined) search.set('namespace', namespace)
  if (index !== undefined && index > 0) search.set('index', String(index))
  // A Go duration, which needs its unit.
  if (waitMs !== undefined) search.set('wait', `${Math.ceil(waitMs)}ms`)
  if (stale === true) search.set('stale', 'true')
  if (filter !== undefined) search.set('filter', filter)
  if (perPage !== undefined) search.set('per_page', String(perPage))
  if (nextToken !== undefined) search.set('next_token', nextToken)
  return join(path, search)
}

/** Path and query of an event stream. */
export function eventsPathOf({ topics, namespace, index }: NomadEventsQuery, region: string | undefined): string {
  const search = new URLSearchParams(topics.map(topic => ['topic', topic]))
  search.set('namespace', namespace)
  if (region !== undefined) search.set('region', region)
  if (index !== undefined) search.set('index', String(index))
  return join('/v1/event/stream', search)
}

function join(path: string, search: URLSearchParams): string {
  // A name such as `..` would make it another path than the caller meant.
  if (!path.startsWith('/') || new URL(path, 'http://nomad').pathname !== path) {
    throw nomadError('bad-answer', 'a name cannot be part of a path', { path })
  }
  return search.size === 0 ? path : `${path}?${search}`
}
