import t from 'tap'
import type { SeenFlow } from '../../../../mesh/flows/flow.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import { createPlacement } from '../../../../server/compile/placement.ts'
import { planOf } from '../../../../server/flows/plan.ts'
import { catalogueOf, service, workload } from '../../../support/catalogue.ts'
import { aFlow } from '../../../support/flows.ts'

const api = workload({ id: 'static/api-1', node: 'b', serviceAccount: 'api', labels: { app: 'api' } })
const db = workload({ id: 'static/db-1', node: 'b', serviceAccount: 'db', address: '10.0.0.2' })
const catalogue = catalogueOf(
  [
    service('api', ['static/api-1']),
    service('db', ['static/db-1'], { ports: [{ name: 'http', port: 5432, protocol: 'tcp' }] }),
  ],
  [api, db],
)

const resources = (yaml: string) => {
  const { resources: read, problems } = parseResources(yaml, 'policies.yaml')
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  return read
}

function plan(before: string, after: string, ...flows: SeenFlow[]) {
  return planOf(
    {
      before: before === '' ? [] : resources(before),
      after: after === '' ? [] : resources(after),
      flows: [{ node: 'b', since: 1_000, flows }],
      nodes: ['a', 'b'],
    },
    {
      catalogue,
      placement: createPlacement()(catalogue),
      rootNamespace: 'weft-system',
      trustDomain: 'mesh.test',
      now: 60_000,
    },
  )
}

const authorization = (spec: string, name = 'p') => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: default }
spec: ${spec}
---`
const peers = (mode: string) => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: default }
spec: { mtls: { mode: ${mode} } }
---`
const tokens = `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: ids, namespace: default }
spec: { jwtRules: [{ issuer: 'https://id.example', jwksUri: 'https://id.example/keys' }] }
---`
const web = aFlow()
const batch = aFlow({ caller: 'spiffe://mesh.test/ns/default/sa/batch', path: '/orders/{*}', count: 3 })
const stranger = aFlow({ caller: '', network: '192.0.2.0/24' })

t.test('a DENY cuts off whom it names, with its rule, and deleting it lets them in', async t => {
  const deny = authorization(`{ action: DENY, rules: [{ from: [{ source: { serviceAccounts: [default/batch] } }] }] }`)
  const made = plan('', deny, web, batch)
  t.match(made.cutOff, [
    {
      ...{ caller: batch.caller, service: 'default/api', port: 8080, nodes: ['b'], requests: ['GET /orders/{*}'] },
      ...{ count: 3, isPartial: true, before: { by: 'no policy' } },
      after: { allowed: false, by: 'AuthorizationPolicy default/p rule 0' },
    },
  ])
  t.equal(made.cutOff.length, 1)
  t.same(made.letIn, [])
  const undone = plan(deny, '', web, { ...batch, allowed: false })
  t.same(undone.cutOff, [])
  t.match(undone.letIn, [{ caller: batch.caller, after: { allowed: true, by: 'no policy' } }])
})

t.test('an ALLOW cuts off everybody whom no rule names', async t => {
  const allow = authorization(`{ rules: [{ from: [{ source: { serviceAccounts: [default/web] } }] }] }`)
  const { cutOff } = plan('', allow, web, batch, stranger)
  t.same(
    cutOff.map(({ caller, networks, after }) => [caller, networks, after.by]),
    [
      ['', ['192.0.2.0/24'], 'no rule of the ALLOW policies matches'],
      [batch.caller, ['10.0.0.0/24'], 'no rule of the ALLOW policies matches'],
    ],
  )
})

t.test('STRICT cuts off plaintext, and PERMISSIVE lets it in again', async t => {
  t.match(plan(peers('PERMISSIVE'), peers('STRICT'), web, stranger).cutOff, [
    { caller: '', after: { by: 'PeerAuthentication default/default (STRICT)' } },
  ])
  const refused = aFlow({ ...stranger, protocol: 'tcp', method: '', path: '', allowed: false })
  t.match(plan(peers('STRICT'), peers('PERMISSIVE'), web, refused).letIn, [{ caller: '', networks: ['192.0.2.0/24'] }])
})

t.test('a policy that is only tried cuts nobody off', async t => {
  const deny = authorization('{ action: DENY, rules: [{}] }').replace(
    'namespace: default }',
    "namespace: default, annotations: { istio.io/dry-run: 'true' } }",
  )
  t.same(plan('', deny, web).cutOff, [])
})

t.test(
  'requests without a token are cut off where one is asked for, those with one when nobody verifies it',
  async t => {
    const asks = authorization(`{ rules: [{ from: [{ source: { requestPrincipals: ['https://id.example/*'] } }] }] }`)
    const ann = aFlow({ path: '/ann', principal: 'https://id.example/ann' })
    t.match(plan(tokens, tokens + asks, web, ann).cutOff, [{ requests: ['GET /'] }])
    t.match(plan(tokens + asks, asks, ann).cutOff, [{ requests: ['GET /ann'] }])
  },
)

t.test('connections are judged as such, by port', async t => {
  const conn = aFlow({ workload: 'static/db-1', service: 'default/db', protocol: 'tcp', method: '', path: '' })
  const deny = authorization(`{ action: DENY, rules: [{ to: [{ operation: { ports: ['8080'] } }] }] }`)
  t.match(plan('', deny, conn).cutOff, [{ service: 'default/db', requests: [] }])
})

t.test('it says how much is known, and what is not', async t => {
  const gone = aFlow({ service: 'default/old', workload: 'static/old-1', lastSeen: 50_000 })
  const headers = authorization(`{ rules: [{ when: [{ key: 'request.headers[x]', values: [a] }] }] }`)
  const made = plan(headers, headers, web, gone)
  t.match(made.observed, { flows: 2, since: 1_000, until: 50_000, nodes: ['b'], silentNodes: ['a'] })
  t.equal(made.gone, 1)
  t.equal(made.unclear, 1, 'it has passed, by a header that is not kept')
  t.same(made.notKept, [{ policy: 'AuthorizationPolicy default/p', fields: ['request.headers[x]'] }])
  t.same(made.cutOff, [])
})
