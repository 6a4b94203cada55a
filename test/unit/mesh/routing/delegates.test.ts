import t from 'tap'
import type { Config, HttpRouteSpec, VirtualServiceSpec } from '../../../../mesh/model/traffic.ts'
import { httpRules } from '../../../../mesh/routing/delegates.ts'
import { findRoute } from '../../../../mesh/routing/matching.ts'
import { createRouting } from '../../../../mesh/routing/routing.ts'
import type { RoutingWorld } from '../../../../mesh/routing/world.ts'
import { requestOf } from '../../../support/compiled-routes.ts'

const to = (host: string) => [{ destination: { host } }]

function config(place: string, spec: VirtualServiceSpec): Config<VirtualServiceSpec> {
  const [namespace = '', name = ''] = place.split('/')
  return { namespace, name, createdAt: 0, spec }
}

const root = (...http: readonly HttpRouteSpec[]) => config('shop/root', { hosts: ['cart'], http })

function rulesOf(configs: readonly [Config<VirtualServiceSpec>, ...Config<VirtualServiceSpec>[]]) {
  const byName = new Map(configs.map(one => [`${one.namespace}/${one.name}`, one] as const))
  return httpRules(configs[0], byName, 'mesh')
}

t.test('the rules of a delegate stand in place of the rule that names it, each with both places', async t => {
  const kid = config('payments/kid', { http: [{ route: to('pay') }, { match: [{ port: 80 }], route: to('a.b') }] })
  const rules = rulesOf([
    root({ route: to('first') }, { delegate: { name: 'kid', namespace: 'payments' } }, { route: to('last') }),
    kid,
  ])
  t.same(
    rules.map(({ place, spec }) => [place, spec.route?.[0]?.destination.host]),
    [
      ['http[0]', 'first'],
      ['http[1] delegate payments/kid http[0]', 'pay.payments.mesh'],
      ['http[1] delegate payments/kid http[1]', 'a.b'],
      ['http[2]', 'last'],
    ],
  )
  t.notOk(rules.some(({ spec }) => spec.delegate !== undefined && spec.route !== undefined))
})

t.test('the delegate’s own settings hold, and the root’s where it has none', async t => {
  const given: HttpRouteSpec = {
    name: 'root',
    timeout: '1s',
    retries: { attempts: 1 },
    rewrite: { uri: '/root' },
    fault: { abort: { httpStatus: 500 } },
    mirror: { host: 'audit' },
    mirrorPercentage: { value: 10 },
    mirrors: [{ destination: { host: 'log' } }],
    corsPolicy: { maxAge: '1s' },
    headers: { request: { set: { from: 'root' } } },
  }
  const own: HttpRouteSpec = {
    name: 'kid',
    timeout: '2s',
    retries: { attempts: 2 },
    rewrite: { uri: '/kid' },
    fault: {},
    mirror: { host: 'audit' },
    mirrorPercentage: { value: 20 },
    mirrors: [],
    corsPolicy: {},
    headers: { response: { set: { from: 'kid' } } },
  }
  const [said, silent] = rulesOf([
    root({ ...given, delegate: { name: 'kid', namespace: 'payments' } }),
    config('payments/kid', { http: [{ ...own, route: to('pay') }, { route: to('pay') }] }),
  ])
  const full = { mirror: { host: 'audit.payments.mesh' }, name: 'root-kid' }
  t.match(said?.spec, { ...own, ...full })
  t.same(said?.spec.fault, {}, 'an empty one is one')
  t.same(said?.spec.headers, own.headers, 'as a whole')
  const ofRoot = { mirror: { host: 'audit.shop.mesh' }, mirrors: [{ destination: { host: 'log.shop.mesh' } }] }
  t.match(silent?.spec, { ...given, ...ofRoot })
})

t.test('a direct response of the root is that of all rules which have none', async t => {
  const kid = config('shop/kid', { http: [{ route: to('pay') }, { directResponse: { status: 201 } }] })
  const rules = rulesOf([root({ directResponse: { status: 204 }, delegate: { name: 'kid' } }), kid])
  t.same(
    rules.map(({ spec }) => spec.directResponse?.status),
    [204, 201],
  )
})

t.test('a rule whose delegate is unknown, has hosts or is not shown to the namespace is none', async t => {
  const rule: HttpRouteSpec = { delegate: { name: 'kid', namespace: 'payments' } }
  const kid = (more: VirtualServiceSpec) => config('payments/kid', { http: [{ route: to('pay') }], ...more })
  const left = (...others: Config<VirtualServiceSpec>[]) => rulesOf([root(rule), ...others]).length
  t.equal(left(), 0)
  t.equal(left(kid({ hosts: ['pay'] })), 0)
  t.equal(left(kid({ exportTo: ['.'] })), 0)
  t.equal(left(kid({ exportTo: ['front'] })), 0)
  t.equal(left(kid({ exportTo: ['shop'] })), 1)
  t.equal(left(kid({ exportTo: ['*'] })), 1)
  t.equal(left(kid({})), 1)
  const own = rulesOf([root({ delegate: { name: 'kid' } }), config('shop/kid', { http: [{ route: to('pay') }] })])
  t.equal(own.length, 1, 'without a namespace it is one of the root’s')
  t.equal(rulesOf([root({ delegate: {} }), kid({})]).length, 0)
})

t.test('gateways are those of the namespace that names them', async t => {
  const rule = (gateways: readonly string[]): HttpRouteSpec => ({ match: [{ gateways }] })
  const left = (ofRoot: readonly string[], ofKid: readonly string[]) =>
    rulesOf([
      root({ ...rule(ofRoot), delegate: { name: 'kid', namespace: 'payments' } }),
      config('payments/kid', { http: [{ ...rule(ofKid), route: to('pay') }] }),
    ]).length
  t.equal(left(['edge'], ['edge']), 0)
  t.equal(left(['./edge'], ['shop/edge']), 1)
  t.equal(left(['edge', 'mesh'], ['mesh']), 1)
})

t.test('one delegate serves several rules and several roots, each with its own conditions', async t => {
  const kid = config('shop/kid', { http: [{ match: [{ headers: { a: {} } }], route: to('pay') }] })
  const rule = (prefix: string): HttpRouteSpec => ({ match: [{ uri: { prefix } }], delegate: { name: 'kid' } })
  const first = rulesOf([root(rule('/a'), rule('/b')), kid])
  const other = rulesOf([config('shop/other', { hosts: ['x'], http: [rule('/c')] }), kid])
  t.same(
    [...first, ...other].map(({ spec }) => spec.match?.[0]?.uri?.prefix),
    ['/a', '/b', '/c'],
  )
})

function world(virtualServices: readonly Config<VirtualServiceSpec>[]): RoutingWorld {
  const service = (name: string, namespace: string) => ({
    ...{ namespace, name, hosts: [`${name}.${namespace}.mesh`], addresses: [] },
    ports: [{ name: 'http', port: 80, protocol: 'http' as const }],
  })
  return {
    services: [service('cart', 'shop'), service('pay', 'payments')],
    domain: 'mesh',
    traffic: { rootNamespace: 'weft-system', virtualServices, destinationRules: [], sidecars: [], mesh: {} },
  }
}

t.test('requests are routed by the rules that are left, and go on to the next where none matches', async t => {
  const routing = createRouting(
    world([
      root(
        { match: [{ uri: { prefix: '/p' } }], delegate: { name: 'kid', namespace: 'payments' } },
        { route: to('cart') },
      ),
      config('payments/kid', {
        exportTo: ['shop'],
        http: [
          { match: [{ uri: { prefix: '/z' } }], route: to('never') },
          { match: [{ uri: { prefix: '/p/x' } }], route: to('pay') },
        ],
      }),
    ]),
  )
  const host = routing.httpPort({ namespace: 'front', labels: {} }, 80).find('cart.shop.mesh')
  const rule = (path: string) => findRoute(host, requestOf({ path }))?.rule
  t.equal(rule('/p/x'), 'VirtualService shop/root http[0] delegate payments/kid http[1]')
  t.equal(rule('/p/y'), 'VirtualService shop/root http[1]')
  t.equal(rule('/z'), 'VirtualService shop/root http[1]')
})

t.test('a VirtualService of which no rule is left leaves its host to the service itself', async t => {
  const routing = createRouting(world([root({ delegate: { name: 'gone' } })]))
  const host = routing.httpPort({ namespace: 'front', labels: {} }, 80).find('cart.shop.mesh')
  t.same(
    host.routes.map(({ rule }) => rule),
    ['default'],
  )
})

t.test('a change of a delegate is a change of what is routed', async t => {
  const rule: HttpRouteSpec = { delegate: { name: 'kid' } }
  const before = createRouting(world([root(rule), config('shop/kid', { http: [{ route: to('pay') }] })]))
  const same = createRouting(world([root(rule), config('shop/kid', { http: [{ route: to('pay') }] })]), before)
  t.equal(same, before)
  const after = createRouting(world([root(rule), config('shop/kid', { http: [{ route: to('cart') }] })]), before)
  t.not(after, before)
})

t.test('a Sidecar that does not import the destination of a delegate still lets its calls find it', async t => {
  const given = world([
    root({ delegate: { name: 'kid', namespace: 'payments' } }),
    config('payments/kid', { http: [{ route: to('pay') }] }),
  ])
  const spec = { egress: [{ hosts: ['shop/*'] }] }
  const sidecars = [{ namespace: 'front', name: 'default', createdAt: 0, spec }]
  const routing = createRouting({ ...given, traffic: { ...given.traffic, sidecars } })
  const client = { namespace: 'front', labels: {} }
  const { action } = findRoute(routing.httpPort(client, 80).find('cart.shop.mesh'), requestOf({ path: '/' })) ?? {}
  const [destination] = action?.kind === 'forward' ? action.destinations : []
  t.equal(destination?.host, 'pay.payments.mesh')
  t.ok(destination !== undefined && routing.cluster(client, destination).exists)
})
