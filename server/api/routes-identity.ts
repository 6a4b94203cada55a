import { MeshError } from '../../mesh/std/errors.ts'
import type { Joined, JoinRequest } from '../identity/join.ts'
import type { JoinTokens } from '../identity/join-tokens.ts'
import type { JoinTokenRecord } from '../store/store.ts'
import { type ApiRequest, jsonBody, type Route, textField } from './route.ts'

/** A join token as the API lists it. */
export interface TokenView {
  readonly id: string
  readonly node: string
  readonly identities: readonly string[]
  readonly state: 'usable' | 'used' | 'expired' | 'revoked'
  readonly createdAt: number
  readonly expiresAt: number
}

export interface IdentityRoutesDeps {
  join(request: JoinRequest): Promise<Joined>
  readonly tokens: JoinTokens
  now(): number
}

/** Joining and join tokens. The token's text leaves the server once, in the answer to its creation. */
export function identityRoutes(deps: IdentityRoutesDeps): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/v1/join',
      open: true,
      handle(request) {
        const body = jsonBody(request)
        const csr = Buffer.from(textField(body, 'csr'), 'base64')
        return deps.join({ secret: textField(body, 'secret'), node: textField(body, 'node'), csr })
      },
    },
    {
      method: 'POST',
      path: '/v1/tokens',
      async handle(request) {
        const { token, record } = await deps.tokens.create(tokenRequest(request))
        return { token, ...view(record, deps.now()) }
      },
    },
    {
      method: 'GET',
      path: '/v1/tokens',
      async handle() {
        const records = await deps.tokens.list()
        return { tokens: records.map(record => view(record, deps.now())) }
      },
    },
    {
      method: 'DELETE',
      path: '/v1/tokens/:id',
      async handle({ params }) {
        await deps.tokens.revoke(params.id ?? '')
      },
    },
  ]
}

function tokenRequest(request: ApiRequest) {
  const body = jsonBody(request)
  const identities = body.identities ?? []
  if (!Array.isArray(identities) || !identities.every(one => typeof one === 'string')) {
    throw new MeshError('WEFT_USAGE', 'identities is not a list of texts')
  }
  const { ttlMs } = body
  if (ttlMs !== undefined && typeof ttlMs !== 'number') throw new MeshError('WEFT_USAGE', 'ttlMs is not a number')
  return { node: textField(body, 'node'), identities: identities as string[], ...(ttlMs !== undefined && { ttlMs }) }
}

function view(record: JoinTokenRecord, now: number): TokenView {
  const { id, node, identities, createdAt, expiresAt } = record
  const state =
    record.revokedAt !== undefined
      ? 'revoked'
      : record.usedAt !== undefined
        ? 'used'
        : record.expiresAt <= now
          ? 'expired'
          : 'usable'
  return { id, node, identities, state, createdAt, expiresAt }
}
