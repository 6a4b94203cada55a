import type { NomadAnswer, NomadClient, NomadList, NomadQuery } from './client.ts'
import { nomadError } from './errors.ts'

const defaultPerPage = 1_000
/** More than any registry has; a server that never ends its list is given up. */
const maxItems = 2_000_000

/** Reads a list page after page and joins them; throws what `get` throws, and `bad-answer` for pages that make no sense. */
export async function listPages(
  get: NomadClient['get'],
  path: string,
  query: NomadQuery,
  signal: AbortSignal,
): Promise<NomadList> {
  const perPage = query.perPage ?? defaultPerPage
  const first = await get(path, { ...query, perPage }, signal)
  const body = [...itemsOf(first, path)]
  const seen = new Set<string>()
  const { index: _index, waitMs: _waitMs, ...plain } = query
  let merged: NomadAnswer = first
  for (let token = first.nextToken; token !== undefined; token = merged.nextToken) {
    if (seen.has(token)) throw nomadError('bad-answer', 'nomad gives the same page twice', { path, token })
    seen.add(token)
    const page = await get(path, { ...plain, perPage, nextToken: token }, signal)
    for (const item of itemsOf(page, path)) body.push(item)
    if (body.length > maxItems) throw nomadError('bad-answer', 'a list of nomad does not end', { path, maxItems })
    merged = {
      body: undefined,
      index: Math.min(merged.index, page.index),
      knownLeader: merged.knownLeader && page.knownLeader,
      lastContactMs: Math.max(merged.lastContactMs, page.lastContactMs),
      nextToken: page.nextToken,
    }
  }
  return { ...merged, body, nextToken: undefined }
}

function itemsOf({ body }: NomadAnswer, path: string): readonly unknown[] {
  if (!Array.isArray(body)) throw nomadError('bad-answer', 'the answer of nomad is no list', { path })
  return body
}
