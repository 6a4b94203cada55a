import t from 'tap'
import { stringify } from 'yaml'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import { type ExplainStep, explain } from '../../../../server/api/explain.ts'
import type { ExplainInput } from '../../../../server/api/explain-parties.ts'
import type { AskedRequest } from '../../../../server/api/explain-request.ts'
import { identityOf } from '../../../../server/compile/services.ts'
import { catalogueOf, service, workload } from '../../../support/catalogue.ts'

const web = workload({ id: 'r/web-1', node: 'h1', serviceAccount: 'web', address: '10.0.0.9', labels: { app: 'web' } })
const api1 = workload({ id: 'r/api-1', node: 'h2', serviceAccount: 'api', address: '10.0.0.1', labels: { app: 'api' } })

/** `web` and `api` on two hosts with agents, and policies of the namespace `default`. */
function mesh(policies: readonly object[], protocol: 'http' | 'tcp' = 'http'): ExplainInput {
  const { resources, problems } = parseResources(policies.map(one => stringify(one)).join('---\n'), 'policies.yaml')
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  const [port] = service('api', ['r/api-1']).ports
  if (port === undefined) throw new Error('no port')
  return {
    catalogue: catalogueOf([{ ...service('api', ['r/api-1']), ports: [{ ...port, protocol }] }], [web, api1]),
    resources,
    dnsDomain: 'mesh',
    rootNamespace: 'weft-system',
    agents: ['h1', 'h2'].map(node => ({
      ...{ node, state: 'connected', since: 0, banned: false, facts: {}, configVersion: 1, answeredVersion: 1 },
      rejected: [],
    })),
    mtlsOf: () => ({ mode: 'PERMISSIVE', from: 'default' }),
    identityOf: one => identityOf(one, 'td'),
  }
}

function policy(name: string, spec: object, kind = 'AuthorizationPolicy', annotations = {}): object {
  const metadata = { name, namespace: 'default', creationTimestamp: '2026-01-02T03:04:05Z', annotations }
  return { apiVersion: 'security.istio.io/v1', kind, metadata, spec }
}

const readers = policy('readers', {
  rules: [
    { from: [{ source: { principals: ['td/ns/default/sa/web'] } }], to: [{ operation: { methods: ['GET'] } }] },
    { from: [{ source: { ipBlocks: ['192.0.2.0/24'] } }] },
  ],
})

function ask(given: Partial<AskedRequest> = {}): AskedRequest {
  return { method: 'GET', path: '/', headers: [], ...given }
}

function said(steps: readonly ExplainStep[], what: string): readonly string[] {
  const mark = ({ ok, passedOver }: ExplainStep) => (passedOver === true ? '-- ' : ok ? '' : 'NO ')
  return steps.filter(step => step.what === what).map(step => `${mark(step)}${step.detail}`)
}

t.test('an allowed request names the rule that allows it, and why each other rule is about other calls', async t => {
  const admin = policy('admin', { action: 'DENY', rules: [{ to: [{ operation: { paths: ['/admin*'] } }] }] })
  const { verdict, steps } = explain(mesh([readers, admin]), 'web', 'api', ask({ path: '/a/../b' }))
  t.equal(verdict, 'allowed')
  t.same(said(steps, 'policy'), [
    '-- DENY default/admin rule 0 does not match: rules[0].to[0].operation.paths wants /admin*, there is /b',
    'ALLOW default/readers rule 0 matches',
    '-- ALLOW default/readers rule 1 does not match: rules[1].from[0].source.ipBlocks wants 192.0.2.0/24, there is 10.0.0.9',
  ])
  t.same(said(steps, 'authorization'), ['allowed by default/readers rule 0'])
})

t.test('a denied request is refused with the reason of the data plane', async t => {
  const input = mesh([readers])
  const { verdict, reason, endpoints, steps } = explain(input, 'web', 'api', ask({ method: 'POST' }))
  t.same([verdict, reason], ['refused', 'AUTHORIZATION_DENIED'])
  t.same(
    endpoints.map(({ why }) => why),
    ['denied: no rule of the ALLOW policies matches'],
  )
  t.same(said(steps, 'authorization'), ['NO denied: no rule of the ALLOW policies matches'])
})

t.test('strangers have no identity, and the address that is said', async t => {
  const input = mesh([readers])
  t.equal(explain(input, 'outside', 'api', ask()).reason, 'AUTHORIZATION_DENIED')
  t.equal(explain(input, 'outside', 'api', ask(), '192.0.2.7').reason, 'OK')
})

t.test('a token counts with the claims that are said', async t => {
  const rules = [{ when: [{ key: 'request.auth.claims[group]', values: ['admins'] }] }]
  const login = policy('login', { jwtRules: [{ issuer: 'https://id', jwks: '{"keys":[]}' }] }, 'RequestAuthentication')
  const input = mesh([policy('admins', { rules }), login])
  t.equal(explain(input, 'web', 'api', ask()).reason, 'AUTHORIZATION_DENIED')
  const { reason, steps } = explain(input, 'web', 'api', ask({ claims: { iss: 'https://id', group: ['x', 'admins'] } }))
  t.equal(reason, 'OK')
  t.same(said(steps, 'tokens'), ['default/login accepts tokens of https://id; one is taken as verified'])
})

t.test('on a port of bytes it is said which fields cannot be enforced', async t => {
  const { reason, steps } = explain(mesh([readers], 'tcp'), 'web', 'api')
  t.equal(reason, 'AUTHORIZATION_DENIED')
  t.match(
    said(steps, 'policy')[0],
    /^-- ALLOW default\/readers rule 0 does not match.*cannot be enforced here: .*methods/,
  )
})

t.test('a policy of a dry run refuses nothing, and it is said what it would do', async t => {
  const tried = policy('closed', {}, 'AuthorizationPolicy', { 'istio.io/dry-run': 'true' })
  const { reason, steps } = explain(mesh([tried]), 'web', 'api', ask())
  t.equal(reason, 'OK')
  t.same(said(steps, 'policy'), ['-- dry run: ALLOW default/closed has no rules, it matches nothing'])
  t.same(said(steps, 'dry run'), ['with the policies of dry runs it would be denied'])
})
