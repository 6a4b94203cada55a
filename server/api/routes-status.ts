import { isIP } from 'node:net'
import type { CatalogueSnapshot, RegistryProblem } from '../../mesh/model/catalogue.ts'
import { type PermissiveUntil, permissiveFor } from '../../mesh/policy/permissive-until.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { AgentStatus, RegistryStatus, TokenKeysStatus } from '../status.ts'
import type { Access } from './access.ts'
import { explain } from './explain.ts'
import type { ExplainInput } from './explain-parties.ts'
import type { AskedRequest } from './explain-request.ts'
import type { ApiRequest, Route } from './route.ts'

/** What `weft status` shows. */
export interface StatusView {
  readonly server: string
  readonly version: string
  readonly trustDomain: string
  readonly now: number
  readonly agents: readonly AgentStatus[]
  readonly registries: readonly RegistryStatus[]
  /** Where keys of tokens come from; nothing when no rule names a URL. A server of before them has none. */
  readonly tokenKeys?: readonly TokenKeysStatus[]
  /** Of the merged catalogue: what one registry alone does not show. */
  readonly problems: readonly RegistryProblem[]
  /** Policies that permit plaintext for a time; the soonest first. A server of before them has none. */
  readonly permissive?: readonly PermissiveUntil[]
}

export interface StatusRoutesDeps extends Omit<ExplainInput, 'catalogue' | 'agents' | 'resources'> {
  readonly name: string
  readonly version: string
  readonly trustDomain: string
  catalogue(): CatalogueSnapshot
  resources(): readonly Resource[]
  /** Of all registries together: collisions, and merge rules that cannot be meant. */
  problems(): readonly RegistryProblem[]
  agents(): Promise<readonly AgentStatus[]> | readonly AgentStatus[]
  registries(): readonly RegistryStatus[]
  tokenKeys(): readonly TokenKeysStatus[]
  now(): number
  /** Lets a held mass disappearance through; false when the registry holds none back. */
  confirmRemoval(registry: string): boolean
}

/** Of everything there is, so that a role in one namespace does not do. */
const read: Access = { verb: 'read', of: 'status', scope: 'mesh' }

/** What is there, how it is, and why a connection would or would not be let through. */
export function statusRoutes(deps: StatusRoutesDeps): readonly Route[] {
  return [
    { method: 'GET', path: '/v1/status', access: read, handle: () => status(deps) },
    { method: 'GET', path: '/v1/explain', access: read, handle: request => explained(deps, request) },
    {
      method: 'POST',
      path: '/v1/registries/:name/confirm',
      access: { verb: 'write', of: 'registries', scope: 'mesh' },
      handle({ params: { name = '' }, by }) {
        const confirmed = deps.confirmRemoval(name)
        by.wrote({ what: `Registry ${name}`, kind: 'Registry', after: { confirmed } })
        return { confirmed }
      },
    },
  ]
}

async function status(deps: StatusRoutesDeps): Promise<StatusView> {
  return {
    server: deps.name,
    version: deps.version,
    trustDomain: deps.trustDomain,
    now: deps.now(),
    agents: await deps.agents(),
    registries: deps.registries(),
    tokenKeys: deps.tokenKeys(),
    problems: deps.problems(),
    permissive: permissiveFor(deps.resources(), deps.now()),
  }
}

async function explained(deps: StatusRoutesDeps, { query }: ApiRequest) {
  const input = { ...deps, catalogue: deps.catalogue(), resources: deps.resources(), agents: await deps.agents() }
  return explain(input, query.get('from') ?? 'outside', query.get('to') ?? '', askedOf(query), sourceOf(query))
}

function sourceOf(query: URLSearchParams): string | undefined {
  const text = query.get('source-ip')
  if (text === null) return undefined
  if (isIP(text) === 0) throw new MeshError('WEFT_USAGE', `${JSON.stringify(text)} is no address`)
  return text
}

/** Claims as JSON. */
function claimsOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const claims: unknown = JSON.parse(text)
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims)) return { ...claims }
  } catch {}
  throw new MeshError('WEFT_USAGE', 'the claims of the token are no JSON object', {
    next: `write them as {"iss": "https://id.example", "sub": "ann"}`,
  })
}

/** A request is asked about when anything of one is said. */
function askedOf(query: URLSearchParams): AskedRequest | undefined {
  if (!['method', 'path', 'header', 'token-claims'].some(name => query.has(name))) return undefined
  const headers = query.getAll('header').map((text): readonly [string, string] => {
    const at = text.indexOf(':')
    const name = text.slice(0, at).trim().toLowerCase()
    // RFC 9110 section 5.6.2
    if (at < 1 || !/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) {
      throw new MeshError('WEFT_USAGE', `${JSON.stringify(text)} is no header`, { next: 'write it as name: value' })
    }
    return [name, text.slice(at + 1).trim()]
  })
  const claims = query.get('token-claims')
  const asked = { method: query.get('method') ?? 'GET', path: query.get('path') ?? '/', headers }
  return claims === null ? asked : { ...asked, claims: claimsOf(claims) }
}
