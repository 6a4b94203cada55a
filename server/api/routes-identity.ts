import { formatJoinToken } from '../../mesh/identity/join-token.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { JoinTokenRecord } from '../store/store.ts'
import { type ApiRequest, jsonBody, type Route, textField } from './route.ts'

export interface JoinAnswer {
  /** Leaf first, PEM. */
  readonly chain: readonly string[]
  readonly roots: readonly string[]
  readonly trustDomain: string
}

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
  join(request: { readonly secret: string; readonly node: string; readonly csr: Buffer }): Promise<JoinAnswer>
  createToken(request: {
    readonly node: string
    readonly identities: readonly string[]
    readonly ttlMs: number
  }): Promise<{ readonly secret: string; readonly record: JoinTokenRecord }>
  listTokens(): Promise<readonly JoinTokenRecord[]>
  revokeToken(id: string): Promise<boolean>
  /** SHA-256 of the root's public key (SPKI), hex. */
  readonly rootHash: string
  now(): number
}

const defaultTtlMs = 60 * 60_000
const maxTtlMs = 7 * 24 * 60 * 60_000

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
        const { secret, record } = await deps.createToken(tokenRequest(request))
        const token = formatJoinToken({ node: record.node, secret, rootHash: deps.rootHash })
        return { token, ...view(record, deps.now()) }
      },
    },
    {
      method: 'GET',
      path: '/v1/tokens',
      async handle() {
        const records = await deps.listTokens()
        return { tokens: records.map(record => view(record, deps.now())) }
      },
    },
    {
      method: 'DELETE',
      path: '/v1/tokens/:id',
      async handle({ params }) {
        const { id = '' } = params
        if (!(await deps.revokeToken(id))) throw new MeshError('WEFT_NOT_FOUND', `no usable token has the id ${id}`)
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
  const wrong = identities.find(one => !/^[^/\s]+\/[^/\s]+$/.test(one))
  if (wrong !== undefined) {
    throw new MeshError('WEFT_USAGE', `${wrong} is no identity`, { next: 'write <namespace>/<service-account>' })
  }
  const ttlMs = body.ttlMs ?? defaultTtlMs
  if (typeof ttlMs !== 'number' || !(ttlMs >= 1000 && ttlMs <= maxTtlMs)) {
    throw new MeshError('WEFT_USAGE', 'a join token lives from one second to seven days')
  }
  return { node: textField(body, 'node'), identities: identities as string[], ttlMs }
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
