import t from 'tap'
import { stringify } from 'yaml'
import { parseLocality } from '../../../../mesh/model/locality.ts'
import type { Service } from '../../../../mesh/model/service.ts'
import type { Workload } from '../../../../mesh/model/workload.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import type { ExplainStep } from '../../../../server/api/explain.ts'
import { explain } from '../../../../server/api/explain.ts'
import type { ExplainInput } from '../../../../server/api/explain-parties.ts'
import type { AskedRequest } from '../../../../server/api/explain-request.ts'
import { identityOf } from '../../../../server/compile/services.ts'
import { catalogueOf, service, workload } from '../../../support/catalogue.ts'

const eu = parseLocality('eu/eu-1')
const web = workload({ id: 'r/web-1', node: 'h1', serviceAccount: 'web', locality: eu, labels: { app: 'web' } })
const place = (name: string, version: string, address: string, locality = eu): Workload =>
  workload({ id: `r/${name}`, node: 'h2', serviceAccount: 'api', labels: { version }, address, locality })
const workloads = [web, place('v1', 'v1', '10.0.0.1'), place('v2', 'v2', '10.0.0.2')]
const api = service('api', ['r/v1', 'r/v2'])

/** A VirtualService or another resource of the default namespace. */
function rule(kind: string, name: string, spec: object, namespace = 'default'): object {
  const apiVersion = kind === 'MeshSettings' ? 'weft.dev/v1' : 'networking.istio.io/v1'
  return { apiVersion, kind, metadata: { name, namespace, creationTimestamp: '2026-01-02T03:04:05Z' }, spec }
}

function mesh(documents: readonly object[], services: readonly Service[] = [api], nodes = ['h1', 'h2']): ExplainInput {
  const { resources, problems } = parseResources(documents.map(one => stringify(one)).join('---\n'), 'rules.yaml')
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  return {
    catalogue: catalogueOf(services, workloads),
    resources,
    dnsDomain: 'mesh',
    rootNamespace: 'weft-system',
    agents: nodes.map(node => ({
      node,
      state: 'connected',
      since: 0,
      banned: false,
      facts: {},
      configVersion: 1,
      answeredVersion: 1,
      rejected: [],
    })),
    mtlsOf: () => ({ mode: 'PERMISSIVE', from: 'default' }),
    identityOf: one => identityOf(one, 'td'),
  }
}

function ask(given: Partial<AskedRequest> = {}): AskedRequest {
  return { method: 'GET', path: '/', headers: [], ...given }
}

function said(steps: readonly ExplainStep[], what: string): readonly string[] {
  return steps
    .filter(step => step.what === what)
    .map(({ ok, passedOver, detail }) => {
      return `${passedOver === true ? '-- ' : ok ? '' : 'NO '}${detail}`
    })
}

const canary = [
  rule('VirtualService', 'api', {
    hosts: ['api'],
    http: [
      {
        name: 'testers',
        match: [{ headers: { 'x-user': { exact: 'ann' } }, method: { exact: 'GET' } }, { uri: { pathPrefix: '/v2' } }],
        route: [{ destination: { host: 'api', subset: 'v2' } }],
        timeout: '2s',
        retries: { attempts: 3, perTryTimeout: '500ms', retryOn: '5xx,418' },
      },
      {
        route: [
          { destination: { host: 'api', subset: 'v1' }, weight: 90 },
          { destination: { host: 'api', subset: 'v2' }, weight: 10 },
        ],
      },
    ],
  }),
  rule('DestinationRule', 'api', {
    host: 'api',
    trafficPolicy: { connectionPool: { tcp: { maxConnections: 7, connectTimeout: '250ms' } } },
    subsets: ['v1', 'v2'].map(version => ({ name: version, labels: { version } })),
  }),
]

t.test('a rule that came in by delegation is named with both places', async t => {
  const match = (prefix: string) => [{ uri: { prefix } }]
  const route = [{ destination: { host: 'api.default.mesh' } }]
  const input = mesh([
    rule('VirtualService', 'api', {
      hosts: ['api'],
      http: [{ name: 'team', match: match('/v2'), delegate: { name: 'api', namespace: 'team' } }],
    }),
    rule(
      'VirtualService',
      'api',
      {
        http: [
          { match: match('/v2/a'), route },
          { name: 'b', route },
        ],
      },
      'team',
    ),
  ])
  const { request, steps } = explain(input, 'web', 'api', ask({ path: '/v2/b' }))
  t.equal(request?.rule, 'VirtualService default/api http[0] delegate team/api http[1]')
  t.same(said(steps, 'rule'), [
    '-- VirtualService default/api http[0] delegate team/api http[0]: the path does not begin with "/v2/a"',
    'VirtualService default/api http[0] delegate team/api http[1] (team-b)',
  ])
  t.equal(explain(input, 'web', 'api', ask({ path: '/v1' })).reason, 'NO_HTTP_ROUTE')
})

t.test('rules that delegation has lost are named with the reason', async t => {
  const match = (prefix: string) => [{ uri: { prefix } }]
  const route = [{ destination: { host: 'api.default.mesh' } }]
  const delegating = (name: string) => ({ match: match('/v2'), delegate: { name, namespace: 'team' } })
  const input = mesh([
    rule('VirtualService', 'api', { hosts: ['api'], http: ['gone', 'hidden', 'own', 'kid'].map(delegating) }),
    rule('VirtualService', 'other', { hosts: ['other'], http: [delegating('gone')] }),
    rule('VirtualService', 'hidden', { http: [{ route }], exportTo: ['.'] }, 'team'),
    rule('VirtualService', 'own', { hosts: ['own'], http: [{ route }] }, 'team'),
    rule('VirtualService', 'kid', { http: [{ match: match('/v3'), route }] }, 'team'),
  ])
  const { request, steps } = explain(input, 'web', 'api', ask({ path: '/v3' }))
  t.equal(request?.rule, 'default')
  const place = (index: number) => `-- VirtualService default/api http[${index}] delegate`
  t.same(said(steps, 'delegate'), [
    `${place(0)}: team/gone is no VirtualService that is known`,
    `${place(1)}: team/hidden is not exported to the namespace that delegates to it`,
    `${place(2)}: team/own has hosts, so that nothing can be delegated to it`,
    `${place(3)} team/kid http[0]: in match[0] its uri does not begin with the root’s "/v2"`,
  ])
})

t.test('a request without rules goes to the service itself, by defaults', async t => {
  const { verdict, reason, request, steps } = explain(mesh([]), 'web', 'api', ask())
  t.match({ verdict, reason }, { verdict: 'allowed', reason: 'OK' })
  t.match(request, {
    authority: 'api.default.mesh',
    virtualHost: 'api.default.mesh:80',
    rule: 'default',
    action: 'forward',
    passedOver: [],
    destinations: [{ cluster: 'outbound|80||api.default.mesh', percent: 100, settings: { rule: '' } }],
  })
  t.equal(request?.destinations[0]?.endpoints.length, 2)
  t.same(said(steps, 'timeout'), ['none'])
  t.match(said(steps, 'retries')[0], /^2 on /)
})

t.test('the rule that matches is named with all it does, and those before it with why they did not', async t => {
  const input = mesh(canary)
  const tested = explain(input, 'web', 'api', ask({ headers: [['x-user', 'ann']] }))
  t.match(tested.request, {
    rule: 'VirtualService default/api http[0]',
    name: 'testers',
    passedOver: [],
    timeoutMs: 2000,
    retries: { attempts: 3, perTryTimeoutMs: 500, on: ['5xx', 'retriable-status-codes'], statusCodes: [418] },
    destinations: [{ subset: 'v2', percent: 100 }],
  })
  t.same(
    tested.endpoints.map(({ address }) => address),
    ['10.0.0.2:8080'],
  )
  const others = explain(input, 'web', 'api', ask({ path: '/v1?x=1', method: 'POST' }))
  t.match(others.request, { rule: 'VirtualService default/api http[1]' })
  t.same(others.request?.passedOver, [
    { rule: 'VirtualService default/api http[0]', why: 'the method is not "GET"' },
    { rule: 'VirtualService default/api http[0]', why: 'the path is neither "/v2" nor below it' },
  ])
  t.same(said(others.steps, 'rule').slice(0, 2), [
    '-- VirtualService default/api http[0]: the method is not "GET"',
    '-- VirtualService default/api http[0]: the path is neither "/v2" nor below it',
  ])
  t.same(
    others.request?.destinations.map(({ subset, percent }) => [subset, percent]),
    [
      ['v1', 90],
      ['v2', 10],
    ],
  )
  t.same(said(others.steps, 'destination'), [
    '90 % to api.default.mesh:80 subset v1: 1 of 1 endpoints take it',
    '10 % to api.default.mesh:80 subset v2: 1 of 1 endpoints take it',
  ])
  t.match(
    said(others.steps, 'settings')[0],
    /^DestinationRule default\/api: .*connect within 250 ms, maxConnections 7$/,
  )
})

t.test('each kind of condition says what it misses', async t => {
  const matches: readonly (readonly [match: object, why: string])[] = [
    [{ uri: { exact: '/a' } }, 'the path is not "/a"'],
    [{ uri: { prefix: '/a' } }, 'the path does not begin with "/a"'],
    [{ uri: { regex: '/a+' } }, 'the path does not match the rule’s expression'],
    [{ authority: { exact: 'other' } }, 'the authority is not "other"'],
    [{ headers: { 'x-a': {} } }, 'the header x-a is missing'],
    [{ headers: { 'x-b': { prefix: 'z' } } }, 'the header x-b does not begin with "z"'],
    [{ withoutHeaders: { 'x-b': {} } }, 'the header x-b is there, and must not be'],
    [{ withoutHeaders: { 'x-b': { exact: 'yes' } } }, 'the header x-b is "yes", and must not'],
    [{ queryParams: { page: { exact: '2' } } }, 'the parameter page is not "2"'],
  ]
  const http = matches.map(([match]) => ({ match: [match], route: [{ destination: { host: 'api' } }] }))
  const input = mesh([rule('VirtualService', 'api', { hosts: ['api'], http })])
  const { verdict, reason, request, steps } = explain(
    input,
    'web',
    'api',
    ask({ path: '/x?page=1', headers: [['x-b', 'yes']] }),
  )
  t.match({ verdict, reason }, { verdict: 'refused', reason: 'NO_HTTP_ROUTE' })
  t.same(
    request?.passedOver.map(({ why }) => why),
    matches.map(([, why]) => why),
  )
  t.same(said(steps, 'rule').at(-1), 'NO none matches')
})

t.test('what a rule answers itself is not refused, and the reason says so', async t => {
  const input = mesh([
    rule('VirtualService', 'api', {
      hosts: ['api'],
      http: [
        { match: [{ uri: { prefix: '/old' } }], redirect: { uri: '/new', redirectCode: 308 } },
        {
          match: [{ uri: { prefix: '/slow' } }],
          fault: { delay: { fixedDelay: '5s', percentage: { value: 50 } } },
          route: [{ destination: { host: 'api' } }],
        },
        { directResponse: { status: 418 } },
      ],
    }),
  ])
  const moved = explain(input, 'web', 'api', ask({ path: '/old/x' }))
  t.match(moved, { verdict: 'allowed', reason: 'REDIRECT', request: { action: 'redirect' } })
  t.match(said(moved.steps, 'answer'), ['the rule answers with 308 to http://api.default.mesh/new'])
  const answered = explain(input, 'web', 'api', ask())
  t.match(answered, { verdict: 'allowed', reason: 'DIRECT_RESPONSE' })
  t.match(said(answered.steps, 'answer'), ['the rule answers with 418'])
  t.same(said(explain(input, 'web', 'api', ask({ path: '/slow' })).steps, 'fault'), ['50 % wait 5000 ms'])
})

t.test('a destination that does not exist refuses the request, if all of them do', async t => {
  const to = (...subsets: readonly string[]) =>
    mesh([
      rule('VirtualService', 'api', {
        hosts: ['api'],
        http: [{ route: subsets.map(subset => ({ destination: { host: 'api', subset }, weight: 1 })) }],
      }),
      canary[1] ?? {},
    ])
  const gone = explain(to('v9'), 'web', 'api', ask())
  t.match(gone, { verdict: 'refused', reason: 'NO_CLUSTER' })
  t.same(said(gone.steps, 'destination'), ['NO 100 % to api.default.mesh:80 subset v9, which does not exist'])
  t.match(explain(to('v9', 'v1'), 'web', 'api', ask()), { verdict: 'allowed', reason: 'OK' })
})

t.test('near endpoints come before far ones', async t => {
  const far = place('far', 'v1', '10.0.0.9', parseLocality('us/us-1'))
  const input = mesh([], [service('api', ['r/far', 'r/v1'])])
  const catalogue = catalogueOf([service('api', ['r/far', 'r/v1'])], [...workloads, far])
  const { request } = explain({ ...input, catalogue }, 'web', 'api', ask())
  t.same(
    request?.destinations[0]?.endpoints.map(({ address, priority }) => [address, priority]),
    [
      ['10.0.0.1:8080', 0],
      ['10.0.0.9:8080', 1],
    ],
  )
})

t.test('a host that nobody knows is passed on, or blocked where the mesh says so', async t => {
  t.match(explain(mesh([]), 'web', 'www.example:8080', ask()), {
    verdict: 'allowed',
    request: { virtualHost: 'allow_any', authority: 'www.example:8080' },
  })
  const settings = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } }
  const strict = mesh([rule('MeshSettings', 'mesh', settings, 'weft-system')])
  t.match(explain(strict, 'web', 'www.example', ask()), { verdict: 'refused', reason: 'BLOCKED_HOST' })
  t.match(
    explain(strict, 'web', 'api', ask({ headers: [['host', 'www.example']] })),
    { verdict: 'allowed' },
    'as in the data plane, the address called counts',
  )
  t.throws(() => explain(strict, 'web', 'nobody', ask()), { code: 'WEFT_NOT_FOUND' })
  t.throws(() => explain(strict, 'web', 'api:81', ask()), { code: 'WEFT_NOT_FOUND' })
})

t.test('the path is brought into the form that is routed first', async t => {
  const input = mesh([
    rule('VirtualService', 'api', {
      hosts: ['api'],
      http: [{ match: [{ uri: { exact: '/b' } }], route: [{ destination: { host: 'api' } }] }],
    }),
  ])
  const answer = explain(input, 'web', 'api', ask({ path: '/a/../b' }))
  t.match(answer, { verdict: 'allowed', request: { path: '/b' } })
  t.same(said(answer.steps, 'path'), ['it is routed as /b'])
  t.match(explain(input, 'web', 'api', ask({ path: 'no path' })), { verdict: 'refused', reason: 'BAD_HTTP_REQUEST' })
})

t.test('where no rules of HTTP count the connection is explained, and why there are none', async t => {
  const tcp = service('api', ['r/v1'], { ports: [{ name: 'http', port: 80, protocol: 'tcp' }] })
  const opaque = explain(mesh(canary, [tcp]), 'web', 'api', ask())
  t.match(opaque, { verdict: 'allowed', reason: 'OK' })
  t.notOk(opaque.request)
  t.match(said(opaque.steps, 'rules'), [/declared as tcp/])
  const outside = explain(mesh(canary), 'outside', 'api', ask())
  t.notOk(outside.request)
  t.match(said(outside.steps, 'rules'), [/callers in the mesh/])
  const noAgent = explain(mesh(canary, [api], ['h2']), 'web', 'api', ask())
  t.match(said(noAgent.steps, 'rules'), [/callers in the mesh/])
})

t.test('a connection to a port of bytes is explained by the rules for connections', async t => {
  const tcp = service('api', ['r/v1', 'r/v2'], { ports: [{ name: 'http', port: 80, protocol: 'tcp' }] })
  const route = (subset: string) =>
    rule('VirtualService', 'api', {
      hosts: ['api'],
      tcp: [{ match: [{ port: 80 }], route: [{ destination: { host: 'api', subset } }] }],
    })
  const answer = explain(mesh([route('v2'), canary[1] ?? {}], [tcp]), 'web', 'api')
  t.match(answer, { verdict: 'allowed', reason: 'OK' })
  t.match(said(answer.steps, 'rule'), [/^VirtualService \w+\/api tcp\[0\] decides where the connection goes$/])
  t.same(
    answer.endpoints.map(({ address }) => address),
    ['10.0.0.2:8080'],
  )
  t.match(said(answer.steps, 'destination'), ['100 % to api.default.mesh:80 subset v2: 1 of 1 endpoints take it'])
  t.match(explain(mesh([route('v9')], [tcp]), 'web', 'api'), { verdict: 'refused', reason: 'NO_CLUSTER' })
  t.equal(explain(mesh([route('v9')], [tcp]), 'outside', 'api').verdict, 'allowed', 'strangers follow no rules')
})

t.test('endpoints that only DNS knows are for the caller’s host to find', async t => {
  const dnsEndpoints = [{ name: 'a.example', ports: { http: 80 }, weight: 1, labels: {}, locality: eu }]
  const mail = service('mail', [], { location: 'external', resolution: 'dns', dnsEndpoints })
  const answer = explain(mesh([], [mail]), 'web', 'mail', ask())
  t.match(answer, { verdict: 'allowed', reason: 'OK' })
  t.match(said(answer.steps, 'destination'), [/what DNS says on the caller’s host of a.example/])
  t.match(explain(mesh([], [mail]), 'web', 'mail'), { verdict: 'allowed' })
})

t.test('a rule for other callers, and one that is not exported to this one, do not count', async t => {
  const elsewhere = rule(
    'VirtualService',
    'api',
    { hosts: ['api.default.mesh'], exportTo: ['.'], http: [{ directResponse: { status: 418 } }] },
    'other',
  )
  const forOthers = rule('VirtualService', 'own', {
    hosts: ['api'],
    http: [
      { match: [{ sourceLabels: { app: 'batch' } }], directResponse: { status: 418 } },
      { route: [{ destination: { host: 'api' } }], timeout: '9s' },
    ],
  })
  t.match(explain(mesh([elsewhere]), 'web', 'api', ask()), { request: { rule: 'default' } })
  t.match(explain(mesh([forOthers]), 'web', 'api', ask()), { request: { timeoutMs: 9000 } })
})
