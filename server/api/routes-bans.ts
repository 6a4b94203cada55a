import { MeshError } from '../../mesh/std/errors.ts'
import type { Bans } from '../identity/bans.ts'
import type { Ban } from '../identity/ca-state.ts'
import type { IssuanceQuery } from '../identity/issuance-read.ts'
import type { Issued } from '../identity/issued.ts'
import type { Access } from './access.ts'
import { jsonBody, type Route, textField } from './route.ts'

/** An identity on a node, and until when its newest certificate is valid there. */
export interface IdentityView {
  readonly identity: string
  /** Empty for the server itself. */
  readonly node: string
  readonly evidence: string
  readonly issuedAt: number
  readonly notAfter: number
  readonly banned: boolean
}

export interface BanRoutesDeps {
  readonly bans: Bans
  /** Valid certificates, in any order. */
  valid(): readonly Issued[]
  log(query: IssuanceQuery): readonly Issued[]
}

const maxReason = 500
const defaultLimit = 100
const maxLimit = 10_000

const read: Access = { verb: 'read', of: 'identities', scope: 'mesh' }
const write: Access = { verb: 'write', of: 'identities', scope: 'mesh' }

/** Who has which identity, what was ever issued, and who may not take part. */
export function banRoutes({ bans, valid, log }: BanRoutesDeps): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/v1/identities',
      access: read,
      handle: () => ({ identities: identities(valid(), bans.list()) }),
    },
    {
      method: 'GET',
      path: '/v1/identities/log',
      access: read,
      handle({ query }) {
        const [node, identity] = [query.get('node'), query.get('identity')]
        const narrowed = { ...(node !== null && { node }), ...(identity !== null && { identity }) }
        return { issued: log({ ...narrowed, limit: limitOf(query.get('limit')) }) }
      },
    },
    { method: 'GET', path: '/v1/bans', access: read, handle: () => ({ bans: bans.list() }) },
    {
      method: 'POST',
      path: '/v1/bans',
      access: write,
      async handle(request) {
        const body = jsonBody(request)
        const { reason = '' } = body
        if (typeof reason !== 'string' || reason.length > maxReason) {
          throw new MeshError('WEFT_USAGE', `reason is not a text of at most ${maxReason} characters`)
        }
        const banned = await bans.ban(textField(body, 'who'), reason)
        request.by.wrote({ what: `Ban ${textField(body, 'who')}`, kind: 'Ban', after: banned })
        return banned
      },
    },
    {
      method: 'DELETE',
      path: '/v1/bans/:who',
      access: write,
      async handle({ params: { who = '' }, by }) {
        await bans.unban(who)
        by.wrote({ what: `Ban ${who}`, kind: 'Ban', before: { banned: true } })
      },
    },
  ]
}

function identities(valid: readonly Issued[], bans: readonly Ban[]): readonly IdentityView[] {
  const newest = new Map<string, Issued>()
  for (const issued of valid) {
    const key = `${issued.identity} ${issued.node}`
    if ((newest.get(key)?.notAfter ?? 0) < issued.notAfter) newest.set(key, issued)
  }
  const isBanned = ({ identity, node }: Issued) =>
    bans.some(({ subject }) => subject.name === (subject.kind === 'node' ? node : identity))
  return [...newest]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, issued]) => {
      const { identity, node, evidence, at, notAfter } = issued
      return { identity, node, evidence, issuedAt: at, notAfter, banned: isBanned(issued) }
    })
}

function limitOf(text: string | null): number {
  const limit = text === null ? defaultLimit : Number(text)
  if (Number.isInteger(limit) && limit > 0 && limit <= maxLimit) return limit
  throw new MeshError('WEFT_USAGE', `limit is not a number from 1 to ${maxLimit}`)
}
