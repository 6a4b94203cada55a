import t from 'tap'
import { compileAuthorization } from '../../../../mesh/policy/authorization.ts'
import type { PeerPrincipal, VerifiedToken } from '../../../../mesh/policy/call.ts'
import { compileRequestAuthentication } from '../../../../mesh/policy/request-authentication.ts'
import { removeField } from '../../../../mesh/routing/header-fields.ts'
import { isListed, needlessNames, sectionOf } from '../../../support/differences.ts'
import { policyConfig, type TokenCase, tokenCases } from '../../../support/istio-tokens.ts'

/** Seconds: when the tokens of the recording are as valid as when they were sent. */
const now = 1_760_000_000_000

interface Observed {
  readonly status: number
  readonly path?: string
  readonly headers?: readonly string[]
  readonly text?: string | undefined
}

async function evaluate({ policies, workload, peer, request }: TokenCase): Promise<Observed> {
  const config = policyConfig(policies)
  const { namespace, labels } = workload
  const target = { namespace, labels, services: [] }
  const headers = request.headers.flatMap(([name, value]) => [name, value.trim()])
  const authority = request.headers.find(([name]) => name === 'host')?.[1] ?? ''
  const scheme = peer.principal === null ? 'http' : 'https'
  const tokens = compileRequestAuthentication(config, target)
  const outcome = await tokens?.authenticate({ ...request, scheme, authority, headers }, now)
  if (outcome?.kind === 'refused') return { status: outcome.status, text: outcome.reason }
  for (const name of outcome?.operations.remove ?? []) removeField(headers, name)
  headers.push(...(outcome?.operations.set ?? []))
  const path = outcome?.operations.path ?? request.path
  const token: VerifiedToken | undefined = outcome?.kind === 'verified' ? outcome.token : undefined
  const verdict = compileAuthorization(config, { ...target, protocol: 'http' }).judge({
    peer: principalOf(peer.principal),
    sourceIp: peer.sourceIp,
    destinationIp: workload.ip,
    destinationPort: workload.port,
    sni: peer.sni ?? '',
    request: { method: request.method, path, authority, headers, remoteIp: peer.sourceIp, token },
  })
  return verdict.allowed ? { status: 200, path, headers } : { status: 403, text: 'RBAC: access denied' }
}

function principalOf(text: string | null): PeerPrincipal | undefined {
  if (text === null) return undefined
  const [trustDomain = '', , namespace = '', , serviceAccount = ''] = text.split('/')
  return { trustDomain, namespace, serviceAccount }
}

/** What the proxy writes whatever the policies say. */
const ofTheProxy = new Set(['x-forwarded-proto', 'x-forwarded-client-cert', 'x-request-id'])

function differences({ request, result }: TokenCase, seen: Observed): string[] {
  if (seen.status !== result.status) return [`status ${seen.status}, recorded ${result.status} (${seen.text})`]
  const { upstream } = result
  if (upstream === null) {
    return seen.text === result.response.body ? [] : [`says ${seen.text}, recorded ${result.response.body}`]
  }
  const found: string[] = []
  if (seen.path !== upstream.path) found.push(`path ${seen.path}, recorded ${upstream.path}`)
  const sent = pairs(request.headers.flatMap(([name, value]) => [name, value.trim()]))
  const kept = sent.filter(([name]) => upstream.removed?.includes(name) !== true)
  const recorded = [...kept, ...upstream.headers.filter(([name]) => !ofTheProxy.has(name))]
  const wanted = new Map(recorded)
  const got = new Map(pairs(seen.headers ?? []))
  for (const name of new Set([...wanted.keys(), ...got.keys()])) {
    if (wanted.get(name) !== got.get(name)) found.push(`${name}: ${got.get(name)}, recorded ${wanted.get(name)}`)
  }
  return found
}

function pairs(headers: readonly string[]): [string, string][] {
  return headers.flatMap((name, at): [string, string][] => (at % 2 === 0 ? [[name, headers[at + 1] ?? '']] : []))
}

t.test(
  'tokens are judged, and told to policies and backends, as recorded of Istio, or it is said where not',
  async t => {
    const cases = tokenCases()
    t.equal(cases.length, 1336)
    const wrong = new Map<string, readonly string[]>()
    for (const kase of cases) {
      const found = differences(kase, await evaluate(kase))
      if (found.length > 0) wrong.set(kase.id, found)
    }
    const share = (100 * (cases.length - wrong.size)) / cases.length
    t.comment(`jwt: ${cases.length - wrong.size} of ${cases.length} agree, ${share.toFixed(2)} %`)
    t.ok(share >= 98)
    const listed = [...sectionOf('Tokens').matchAll(/`([a-z-]+-\d{3}(?:\/\d+)?)`/g)].flatMap(match => match[1] ?? [])
    for (const [id, found] of wrong) {
      if (!isListed(id, listed)) t.fail(`${id}: ${found.join('; ')}`)
    }
    t.same(needlessNames(listed, [...wrong.keys()]), [], 'what is listed does differ')
  },
)
