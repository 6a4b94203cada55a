import t from 'tap'
import type { Workload } from '../../../../mesh/model/workload.ts'
import { explain } from '../../../../server/api/explain.ts'
import type { ExplainInput } from '../../../../server/api/explain-parties.ts'
import { identityOf } from '../../../../server/compile/services.ts'
import type { AgentStatus } from '../../../../server/status.ts'
import { catalogueOf, service, workload } from '../../../support/catalogue.ts'

const agent = (node: string, more: Partial<AgentStatus> = {}): AgentStatus => ({
  node,
  state: 'connected',
  since: 0,
  banned: false,
  facts: {},
  configVersion: 1,
  answeredVersion: 1,
  rejected: [],
  ...more,
})

const web = workload({ id: 'files/web-1', name: 'web-1', node: 'h1', serviceAccount: 'web' })
const api1 = workload({ id: 'files/api-1', node: 'h2', serviceAccount: 'api', address: '10.0.0.2' })
const api2 = workload({ id: 'files/api-2', node: 'h3', serviceAccount: 'api', address: 'fd00::3' })
const legacy = workload({ id: 'files/legacy-1', address: '10.0.0.9' })
const api = service('api', ['files/api-1', 'files/api-2'])

/** A mesh in which web on h1 may call api on h2 and h3, with some of it replaced. */
function mesh(
  more: {
    readonly workloads?: readonly Workload[]
    readonly services?: readonly ReturnType<typeof service>[]
    readonly agents?: readonly AgentStatus[]
    readonly strict?: boolean
  } = {},
): ExplainInput {
  return {
    catalogue: catalogueOf(more.services ?? [api], more.workloads ?? [web, api1, api2]),
    resources: [],
    dnsDomain: 'mesh',
    rootNamespace: 'weft-system',
    agents: more.agents ?? [agent('h1'), agent('h2'), agent('h3')],
    mtlsOf: () => ({ mode: more.strict === true ? 'STRICT' : 'PERMISSIVE', from: 'default/strict' }),
    identityOf: one => identityOf(one, 'td'),
  }
}

const cases: readonly (readonly [title: string, input: ExplainInput, from: string, reason: string])[] = [
  ['a workload of a host with an agent calls another', mesh(), 'web', 'OK'],
  ['its name, with the namespace', mesh(), 'default/web-1', 'OK'],
  ['under STRICT as well', mesh({ strict: true }), 'web', 'OK'],
  ['an agent that is away still serves', mesh({ agents: [agent('h1'), agent('h2', { state: 'stale' })] }), 'web', 'OK'],
  ['a stranger where plaintext is permitted', mesh(), 'outside', 'OK'],
  ['a stranger under STRICT', mesh({ strict: true }), 'outside', 'MTLS_REQUIRED'],
  [
    'a stranger under STRICT where no agent enforces it',
    mesh({ strict: true, agents: [agent('h1')] }),
    'outside',
    'OK',
  ],
  [
    'a caller whose host has no agent is a stranger',
    mesh({ strict: true, agents: [agent('h2'), agent('h3')] }),
    'web',
    'MTLS_REQUIRED',
  ],
  [
    'a caller whose agent is banned is a stranger',
    mesh({ strict: true, agents: [agent('h1', { banned: true }), agent('h2'), agent('h3')] }),
    'web',
    'MTLS_REQUIRED',
  ],
  [
    'a caller without a host is a stranger',
    mesh({ strict: true, workloads: [workload({ id: 'files/web-1', serviceAccount: 'web' }), api1, api2] }),
    'web',
    'MTLS_REQUIRED',
  ],
  [
    'a caller without an identity',
    mesh({ workloads: [workload({ id: 'files/web-1', node: 'h1' }), api1, api2] }),
    'web-1',
    'UNKNOWN_CALLER',
  ],
  [
    'a caller without an identity may call what is outside of the mesh',
    mesh({
      workloads: [workload({ id: 'files/web-1', node: 'h1' }), legacy],
      services: [service('api', ['files/legacy-1'])],
    }),
    'web-1',
    'OK',
  ],
  ['no agent has joined where the endpoints are', mesh({ agents: [agent('h1')] }), 'web', 'UPSTREAM_CONNECT'],
  [
    'nobody healthy',
    mesh({ workloads: [web, { ...api1, health: 'unhealthy' }, { ...api2, health: 'draining' }] }),
    'web',
    'NO_HEALTHY_ENDPOINT',
  ],
  ['nobody with a weight', mesh({ workloads: [web, { ...api1, weight: 0 }] }), 'web', 'NO_HEALTHY_ENDPOINT'],
  [
    'nobody whose registry has a share of the traffic',
    mesh({ services: [{ ...api, endpoints: api.endpoints.map(one => ({ ...one, weight: 0 })) }] }),
    'web',
    'NO_HEALTHY_ENDPOINT',
  ],
  [
    'a share of the traffic for a workload that says it wants none',
    mesh({
      workloads: [web, { ...api1, weight: 0 }],
      services: [{ ...api, endpoints: api.endpoints.map(one => ({ ...one, weight: 5 })) }],
    }),
    'web',
    'OK',
  ],
  ['one of two is enough', mesh({ workloads: [web, { ...api1, health: 'unhealthy' }, api2] }), 'web', 'OK'],
  ['no endpoints at all', mesh({ services: [service('api')] }), 'web', 'NO_HEALTHY_ENDPOINT'],
  [
    'an external service that is only addresses is passed on',
    mesh({ services: [service('api', [], { location: 'external', addresses: ['192.0.2.0/24'] })] }),
    'web',
    'OK',
  ],
]

for (const [title, input, from, reason] of cases) {
  t.test(`${title}: ${reason}`, async t => {
    const answer = explain(input, from, 'api.default:80')
    t.equal(answer.reason, reason)
    t.equal(answer.verdict, reason === 'OK' ? 'allowed' : 'refused')
    if (reason !== 'OK') {
      t.ok(
        answer.endpoints.every(one => !one.usable),
        'no endpoint is shown as usable',
      )
    }
  })
}

t.test('says step by step what was looked at', async t => {
  const answer = explain(mesh({ workloads: [web, api1, { ...api2, health: 'draining' }] }), 'web', 'api')
  t.same(answer.steps, [
    {
      ok: true,
      what: 'caller',
      detail: 'default/web-1 sits on h1 (agent connected), as spiffe://td/ns/default/sa/web',
    },
    { ok: true, what: 'service', detail: 'default/api from files, at 240.240.0.1 and fd77::1' },
    { ok: true, what: 'port', detail: '80 (http, http)' },
    { ok: true, what: 'endpoints', detail: '1 of 2 takes new connections of this caller' },
  ])
  t.same(answer.endpoints, [
    {
      workload: 'files/api-1',
      address: '10.0.0.2:8080',
      identity: 'spiffe://td/ns/default/sa/api',
      transport: 'mtls',
      usable: true,
      why: 'takes new connections',
    },
    {
      workload: 'files/api-2',
      address: '[fd00::3]:8080',
      identity: 'spiffe://td/ns/default/sa/api',
      transport: 'mtls',
      usable: false,
      why: 'it is draining',
    },
  ])
})

t.test('names the policy that refuses plaintext', async t => {
  t.match(explain(mesh({ strict: true }), 'outside', 'api'), {
    endpoints: [{ transport: 'plaintext', why: 'MTLS_REQUIRED by PeerAuthentication default/strict' }],
  })
})

t.test('a service is found by its mesh name, its own host names, and its port by number or name', async t => {
  const input = mesh({ services: [service('api', ['files/api-1'], { hosts: ['api.example.com'] })] })
  for (const to of ['api', 'api.default', 'api.default.mesh', 'api.example.com', 'api:80', 'api.default:http']) {
    t.equal(explain(input, 'web', to).verdict, 'allowed', to)
  }
})

t.test('of several instances of a caller the one that can call is meant', async t => {
  const elsewhere = workload({ id: 'files/web-0', serviceAccount: 'web' })
  t.match(explain(mesh({ strict: true, workloads: [elsewhere, web, api1] }), 'web', 'api'), { verdict: 'allowed' })
})

t.test('names nobody has are refused with what there is', async t => {
  t.throws(() => explain(mesh(), 'ghost', 'api'), { code: 'WEFT_NOT_FOUND', next: /weft services/ })
  t.throws(() => explain(mesh(), 'other/web', 'api'), { code: 'WEFT_NOT_FOUND' })
  for (const to of ['ghost', 'api.other', '', ':80']) {
    t.throws(() => explain(mesh(), 'web', to), { code: 'WEFT_NOT_FOUND' }, to)
  }
  t.throws(() => explain(mesh(), 'web', 'api:81'), { code: 'WEFT_NOT_FOUND', next: 'it has 80 (http)' })
})

t.test('an endpoint that is not healthy carries the reason that was told', async t => {
  const critical = { ...api1, health: 'unhealthy', healthReason: 'check "http" is critical' } as const
  const answer = explain(mesh({ workloads: [web, critical, api2] }), 'web', 'api')
  t.equal(answer.endpoints[0]?.why, 'it is unhealthy: check "http" is critical')
})
