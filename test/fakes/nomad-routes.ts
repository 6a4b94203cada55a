import type { FakeNomadRequest } from './nomad-request.ts'
import type { NomadState } from './nomad-state.ts'
import { allocationList, allocationServices, nodeList, serviceInstances, serviceList } from './nomad-views.ts'

/** What an endpoint would answer now. */
export type Outcome =
  | {
      readonly kind: 'json'
      readonly body: unknown
      /** Absent for what is no table: such answers have no `X-Nomad-*` headers and cannot block. */
      readonly index?: number
      /** What wakes a blocked query. */
      readonly watch?: string
      readonly nextToken?: string
      readonly cacheControl?: string
    }
  | { readonly kind: 'text'; readonly status: number; readonly body: string; readonly index?: number }

/** Answers a request from the tables, with the texts that were recorded for what is not there. */
export function answer(request: FakeNomadRequest, state: NomadState): Outcome {
  const { parts, query, namespace } = request
  const [version, kind, name = '', detail] = parts
  if (version === '.well-known' && kind === 'jwks.json') {
    return { kind: 'json', body: state.jwks, index: 7, watch: 'jwks', cacheControl: 'max-age=1351684' }
  }
  if (version !== 'v1') return notThere('')
  const { tableIndex } = state
  if (kind === 'services' && parts.length === 2) {
    return { kind: 'json', body: serviceList(state, namespace), index: tableIndex.services, watch: 'services' }
  }
  if (kind === 'service' && name === '') return { kind: 'text', status: 400, body: 'missing service name' }
  if (kind === 'service' && detail === undefined) {
    const watch = `service:${namespace}/${name}`
    const items = serviceInstances(state, name, namespace)
    return page(items, request, tableIndex.services, watch, one => `${one.Namespace}.${one.ID}`)
  }
  if (kind === 'allocations') {
    const states = query.get('task_states') !== 'false'
    const items = allocationList(state, namespace, { resources: query.get('resources') === 'true', states })
    return page(items, request, tableIndex.allocations, 'allocations', one => `${one.CreateIndex}.${one.ID}`)
  }
  if (kind === 'nodes') return page(nodeList(state), request, tableIndex.nodes, 'nodes', one => one.ID)
  if (kind === 'allocation') return allocationAnswer(request, state)
  if (kind === 'node') {
    const node = state.nodes.get(name)
    if (node === undefined) return notThere('node not found', tableIndex.nodes)
    return { kind: 'json', body: node, index: node.ModifyIndex, watch: `node:${name}` }
  }
  if (kind === 'job' && detail === undefined) {
    const job = state.jobs.get(`${namespace}/${name}`)
    if (job === undefined) return notThere('job not found', tableIndex.jobs)
    return { kind: 'json', body: job, index: Number(job.ModifyIndex), watch: `job:${namespace}/${name}` }
  }
  if (kind === 'status' && name === 'leader') return { kind: 'json', body: '10.77.0.10:4647' }
  if (kind === 'agent' && name === 'health') return { kind: 'json', body: { server: { message: 'ok', ok: true } } }
  return notThere('')
}

function allocationAnswer({ parts, namespace }: FakeNomadRequest, state: NomadState): Outcome {
  const [, , id = '', detail] = parts
  if (id.length !== 36) {
    return { kind: 'text', status: 500, body: 'alloc lookup failed: index error: UUID must be 36 characters' }
  }
  const allocation = state.allocations.get(id)
  if (detail === 'checks') {
    if (allocation === undefined) return notThere(`Unknown allocation "${id}"`)
    if (state.nodes.get(allocation.NodeID)?.Status !== 'ready') return notThere('No path to node')
    const checks = state.checks.get(id)
    return { kind: 'json', body: checks === undefined || checks.size === 0 ? null : Object.fromEntries(checks) }
  }
  if (detail === 'services') {
    if (allocation === undefined || allocation.Namespace !== namespace)
      return notThere('allocation not found', state.tableIndex.services)
    return { kind: 'json', body: allocationServices(state, id), index: state.tableIndex.services }
  }
  if (allocation === undefined) return notThere('alloc not found', state.tableIndex.allocations)
  return { kind: 'json', body: allocation, index: allocation.ModifyIndex, watch: `allocation:${id}` }
}

function notThere(body: string, index?: number): Outcome {
  return { kind: 'text', status: 404, body, ...(index !== undefined && { index }) }
}

function page<T extends object>(
  all: readonly T[],
  { query }: FakeNomadRequest,
  index: number,
  watch: string,
  tokenOf: (item: T) => string,
): Outcome {
  const filtered = filterItems(all, query.get('filter'))
  if (typeof filtered === 'string') return { kind: 'text', status: 400, body: filtered }
  const perPage = Number(query.get('per_page') ?? 0)
  const token = query.get('next_token')
  const from =
    token === null
      ? 0
      : Math.max(
          0,
          filtered.findIndex(item => tokenOf(item) === token),
        )
  if (perPage <= 0) return { kind: 'json', body: filtered, index, watch }
  const next = filtered[from + perPage]
  const body = filtered.slice(from, from + perPage)
  return { kind: 'json', body, index, watch, ...(next !== undefined && { nextToken: tokenOf(next) }) }
}

/** The two forms of filter that anyone needs: `Field == "value"` and `Field contains "value"`. */
function filterItems<T extends object>(items: readonly T[], filter: string | null): readonly T[] | string {
  if (filter === null) return items
  const [, field = '', operator, value = ''] = /^(\w+) (==|contains) "([^"]*)"$/.exec(filter) ?? []
  const known = (item: object): item is Record<string, unknown> => field in item
  if (items.some(item => !known(item))) {
    const about = `error finding value in datum: /${field} at part 0: couldn't find key: struct field with name "${field}"`
    return `failed to read result page: ${about}`
  }
  return items.filter(item => {
    const have = known(item) ? item[field] : undefined
    return operator === 'contains' ? Array.isArray(have) && have.includes(value) : have === value
  })
}
