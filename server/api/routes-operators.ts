import { MeshError } from '../../mesh/std/errors.ts'
import type { ApiTokens } from '../access/api-tokens.ts'
import { type Need, parseGrant, permits } from '../access/grants.ts'
import type { AuditEntry } from '../audit/audit-entry.ts'
import type { AuditLog } from '../audit/audit-log.ts'
import type { ApiTokenRecord } from '../store/store.ts'
import { type ApiRequest, jsonBody, type Route, textField } from './route.ts'

/** An API token as the API lists it: never its secret, nor the hash of it. */
export interface ApiTokenView {
  readonly id: string
  readonly name: string
  readonly roles: readonly string[]
  readonly state: 'usable' | 'expired' | 'revoked'
  readonly createdAt: number
  readonly expiresAt?: number
}

export interface OperatorRoutesDeps {
  readonly tokens: ApiTokens
  readonly audit: Pick<AuditLog, 'read'>
  now(): number
}

const defaultEntries = 200
const maxEntries = 10_000

/** Who may change the mesh, and what they have changed. */
export function operatorRoutes({ tokens, audit, now }: OperatorRoutesDeps): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/api-tokens',
      access: { verb: 'write', of: 'api-tokens', scope: 'judged' },
      async handle(request) {
        const asked = tokenRequest(request)
        for (const grant of asked.grants) request.by.demand(tokenNeed('write', grant.namespace))
        const { token, record } = await tokens.create(asked)
        const made = view(record, now())
        request.by.wrote({ what: `ApiToken ${record.id}`, kind: 'ApiToken', after: made })
        return { token, ...made }
      },
    },
    {
      method: 'GET',
      path: '/v1/api-tokens',
      access: { verb: 'read', of: 'api-tokens', scope: 'filtered' },
      async handle({ by }) {
        const records = await tokens.list()
        const visible = records.filter(record =>
          namespacesOf(record).every(one => permits(by.grants, tokenNeed('read', one))),
        )
        return { tokens: visible.map(record => view(record, now())) }
      },
    },
    {
      method: 'DELETE',
      path: '/v1/api-tokens/:id',
      access: { verb: 'write', of: 'api-tokens', scope: 'judged' },
      async handle({ params: { id = '' }, by }) {
        const record = (await tokens.list()).find(one => one.id === id)
        // whoever may not know that it is there is told the same as if it were not
        const namespaces = record === undefined ? [undefined] : namespacesOf(record)
        for (const namespace of namespaces) by.demand(tokenNeed('write', namespace))
        const revoked = await tokens.revoke(id)
        by.wrote({ what: `ApiToken ${id}`, kind: 'ApiToken', before: view(revoked, now()) })
      },
    },
    {
      method: 'GET',
      path: '/v1/audit',
      access: { verb: 'read', of: 'audit', scope: 'filtered' },
      handle: ({ query, by }) => ({
        entries: audit.read({
          since: numberIn(query, 'since', 0, Number.MAX_SAFE_INTEGER),
          who: query.get('who') ?? '',
          ...(query.has('kind') && { kind: query.get('kind') ?? '' }),
          limit: numberIn(query, 'limit', defaultEntries, maxEntries),
          visible: entry => permits(by.grants, auditNeed(entry)),
        }),
      }),
    },
  ]
}

function tokenNeed(verb: Need['verb'], namespace: string | undefined): Need {
  return { verb, of: 'api-tokens', ...(namespace !== undefined && { namespace }) }
}

function auditNeed({ change }: AuditEntry): Need {
  return { verb: 'read', of: 'audit', ...(change?.namespace !== undefined && { namespace: change.namespace }) }
}

function namespacesOf(record: ApiTokenRecord): readonly (string | undefined)[] {
  return record.roles.map(role => parseGrant(role).namespace)
}

function tokenRequest(request: ApiRequest) {
  const body = jsonBody(request)
  const { roles, ttlMs } = body
  if (!Array.isArray(roles) || !roles.every(one => typeof one === 'string')) {
    throw new MeshError('WEFT_USAGE', 'roles is not a list of texts', { fields: { field: 'roles' } })
  }
  if (ttlMs !== undefined && typeof ttlMs !== 'number') throw new MeshError('WEFT_USAGE', 'ttlMs is not a number')
  return { name: textField(body, 'name'), grants: roles.map(parseGrant), ...(ttlMs !== undefined && { ttlMs }) }
}

function numberIn(query: URLSearchParams, name: string, otherwise: number, most: number): number {
  const text = query.get(name)
  if (text === null) return otherwise
  if (/^\d{1,16}$/.test(text) && Number(text) <= most) return Number(text)
  throw new MeshError('WEFT_USAGE', `${name} is not a whole number up to ${most}`)
}

function view({ id, name, roles, createdAt, expiresAt, revokedAt }: ApiTokenRecord, now: number): ApiTokenView {
  const hasExpired = expiresAt !== undefined && expiresAt <= now
  const state = revokedAt !== undefined ? 'revoked' : hasExpired ? 'expired' : 'usable'
  return { id, name, roles, state, createdAt, ...(expiresAt !== undefined && { expiresAt }) }
}
