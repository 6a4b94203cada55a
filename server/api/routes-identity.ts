import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { type Evidence, type EvidenceKind, evidenceKinds } from '../identity/attest/attestor.ts'
import type { Challenges } from '../identity/attest/challenges.ts'
import type { Join } from '../identity/join.ts'
import type { JoinTokens } from '../identity/join-tokens.ts'
import type { JoinTokenRecord } from '../store/store.ts'
import { createJoinQueue } from './join-queue.ts'
import { createRateLimit } from './rate-limit.ts'
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
  readonly join: Join
  readonly clock: Clock
  /** For hosts that join by a certificate. */
  readonly challenges: Challenges
  readonly trustDomain: string
  readonly tokens: JoinTokens
  now(): number
}

/** Evidence costs signatures and questions to others: one attempt a second from an address. */
const evidenceLimit = { perSecond: 1, maxSources: 4096 }

/** Joining and join tokens. The token's text leaves the server once, in the answer to its creation. */
export function identityRoutes(deps: IdentityRoutesDeps): readonly Route[] {
  const perHost = createRateLimit(deps.clock, evidenceLimit)
  const queue = createJoinQueue(deps.clock)
  const aborted = new AbortController()
  return [
    {
      method: 'POST',
      path: '/v1/join',
      open: true,
      handle(request) {
        const body = jsonBody(request)
        const csr = Buffer.from(textField(body, 'csr'), 'base64')
        const evidence = evidenceIn(body)
        const node = textField(body, 'node')
        if (evidence.kind === 'join-token') return deps.join({ evidence, node, csr }, aborted.signal)
        if (!perHost.take(request.address)) {
          throw new MeshError('WEFT_RATE_LIMITED', 'too many attempts came from this address')
        }
        return queue.run(signal => deps.join({ evidence, node, csr }, signal))
      },
    },
    {
      method: 'POST',
      path: '/v1/join/challenge',
      open: true,
      handle: () => ({ challenge: deps.challenges.create(deps.now()), trustDomain: deps.trustDomain }),
    },
    {
      method: 'POST',
      path: '/v1/tokens',
      access: { verb: 'write', of: 'join-tokens', scope: 'mesh' },
      async handle(request) {
        const { token, record } = await deps.tokens.create(tokenRequest(request))
        const made = view(record, deps.now())
        request.by.wrote({ what: `JoinToken ${record.id}`, kind: 'JoinToken', after: made })
        return { token, ...made }
      },
    },
    {
      method: 'GET',
      path: '/v1/tokens',
      access: { verb: 'read', of: 'join-tokens', scope: 'mesh' },
      async handle() {
        const records = await deps.tokens.list()
        return { tokens: records.map(record => view(record, deps.now())) }
      },
    },
    {
      method: 'DELETE',
      path: '/v1/tokens/:id',
      access: { verb: 'write', of: 'join-tokens', scope: 'mesh' },
      async handle({ params: { id = '' }, by }) {
        await deps.tokens.revoke(id)
        by.wrote({ what: `JoinToken ${id}`, kind: 'JoinToken' })
      },
    },
  ]
}

/** A join token is the field `secret`; everything else says its kind. */
function evidenceIn(body: Readonly<Record<string, unknown>>): Evidence {
  const { evidence } = body
  if (evidence === undefined) return { kind: 'join-token', payload: textField(body, 'secret') }
  if (typeof evidence !== 'object' || evidence === null) throw new MeshError('WEFT_USAGE', 'evidence is not an object')
  const { kind, payload } = { kind: undefined, payload: undefined, ...evidence }
  if (!isKind(kind) || typeof payload !== 'string') {
    throw new MeshError('WEFT_USAGE', `evidence has no payload, or its kind is none of ${evidenceKinds.join(', ')}`)
  }
  return { kind, payload }
}

function isKind(kind: unknown): kind is EvidenceKind {
  return evidenceKinds.some(known => known === kind)
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
