import t from 'tap'
import type { RouteDestination, VirtualHost } from '../../../../mesh/routing/route.ts'
import { createRouting } from '../../../../mesh/routing/routing.ts'
import { routable, routingWorld } from '../../../support/routing-world.ts'

const shop = { namespace: 'shop', labels: { app: 'web' } }
const front = { namespace: 'front', labels: { app: 'web' } }
const cart = routable('cart.shop.mesh', { addresses: ['240.240.0.1', 'fd00::1'] })
const api = routable('api.shop.mesh', { hosts: ['api.shop.mesh', 'api.acme.example'] })
const wild = routable('wild.shop.mesh', { hosts: ['*.wild.example'] })
const services = [cart, api, wild]

function to(host: string, port = 80, subset = ''): RouteDestination {
  return { host, port, subset, cluster: `outbound|${port}|${subset}|${host}`, weight: 0 }
}

/** The clusters that the virtual host's first rule sends to. */
function clusters({ routes: [first] }: VirtualHost): readonly string[] {
  return first?.action.kind === 'forward' ? first.action.destinations.map(({ cluster }) => cluster) : []
}

t.test('a service is found by its names and addresses, whatever the case and the port', async t => {
  const ports = createRouting(routingWorld(services)).httpPort(shop, 80)
  const ofCart = ['cart.shop.mesh', 'cart.shop.mesh.', 'CART.Shop.mesh:8080', 'cart.shop', 'cart', 'cart:80']
  for (const authority of [...ofCart, '240.240.0.1', '240.240.0.1:80', '[fd00::1]', '[FD00::1]:80']) {
    t.equal(ports.find(authority).name, 'cart.shop.mesh:80', authority)
  }
  t.equal(ports.find('api.acme.example').name, 'api.acme.example:80')
  t.equal(ports.find('x.wild.example').name, '*.wild.example:80')
  t.equal(ports.find('x.wild.example.').name, '*.wild.example:80')
})

t.test('a short name is full nowhere else, and an absolute one is not short', async t => {
  const routing = createRouting(routingWorld(services))
  t.equal(routing.httpPort(front, 80).find('cart').name, 'allow_any')
  t.equal(routing.httpPort(front, 80).find('cart.shop').name, 'cart.shop.mesh:80')
  t.equal(routing.httpPort(shop, 80).find('cart.').name, 'allow_any')
  t.equal(routing.httpPort(shop, 80).find('cart.shop.').name, 'allow_any')
  t.equal(routing.httpPort(shop, 80).find('240.240.0.1.').name, 'allow_any')
})

t.test('with a domain of several labels its first one may stand in a short name', async t => {
  const world = { ...routingWorld([routable('cart.shop.svc.cluster.local')]), domain: 'svc.cluster.local' }
  const ports = createRouting(world).httpPort(front, 80)
  t.equal(ports.find('cart.shop.svc').name, 'cart.shop.svc.cluster.local:80')
  t.equal(ports.find('cart.shop.sv').name, 'allow_any')
  t.equal(ports.find('cart.shop.svc.cluster').name, 'allow_any')
})

t.test('a listener of a Sidecar is for calls that come to it, and for no intercepted ones', async t => {
  const sidecar = `Sidecar shop/s { egress: [
    { port: { number: 80 }, hosts: [shop/cart.shop.mesh], captureMode: NONE, bind: ::1 },
    { hosts: [shop/api.shop.mesh] }] }`
  const routing = createRouting(routingWorld(services, [sidecar]))
  t.same(routing.bound(shop), [{ address: '::1', port: 80 }])
  const bound = routing.boundPort(shop, 80)
  t.equal(bound?.find('cart').name, 'cart.shop.mesh:80')
  t.equal(bound?.find('api').name, 'block_all', 'whatever becomes of intercepted calls of unknown hosts')
  t.equal(routing.boundPort(shop, 81), undefined)
  const captured = routing.httpPort(shop, 80)
  t.equal(captured.find('cart').name, 'allow_any')
  t.equal(captured.find('api').name, 'api.shop.mesh:80')
  t.same(routing.bound(front), [])
  t.equal(routing.boundPort(front, 80), undefined)
})

t.test('nothing strange is anybody', async t => {
  const ports = createRouting(routingWorld(services)).httpPort(shop, 80)
  for (const authority of [
    '',
    '.',
    ':80',
    '[',
    '[]',
    '*',
    '*.wild.example',
    'wild.example',
    '.wild.example',
    'a:b:c',
  ]) {
    t.equal(ports.find(authority).name, 'allow_any', authority)
  }
})

t.test('only ports that a service declares are its own', async t => {
  const ports = createRouting(routingWorld(services)).httpPort(shop, 8080)
  t.equal(ports.find('cart.shop.mesh').name, 'allow_any')
})

t.test('what nobody knows is passed through, or refused where only the registry counts', async t => {
  const open = createRouting(routingWorld([]))
  t.same(clusters(open.httpPort(shop, 80).find('x.example')), ['PassthroughCluster'])
  const settings = open.cluster(shop, { ...to('', 80), cluster: 'PassthroughCluster' })
  t.match(settings, { exists: true, balancer: { kind: 'passthrough' }, tls: { mode: 'disable' } })
  const strict = { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } as const
  const closed = createRouting(routingWorld([], [], strict))
    .httpPort(shop, 80)
    .find('x.example')
  t.match(closed, { name: 'block_all', routes: [{ name: 'block_all', action: { kind: 'direct', status: 502 } }] })
  const sidecar = 'Sidecar shop/default { outboundTrafficPolicy: { mode: ALLOW_ANY } }'
  const reopened = createRouting(routingWorld([], [sidecar], strict))
  t.equal(reopened.httpPort(shop, 80).find('x.example').name, 'allow_any')
  t.equal(reopened.httpPort(front, 80).find('x.example').name, 'block_all')
  t.match(reopened.sidecar(shop), { name: 'Sidecar shop/default', outboundTrafficPolicy: 'ALLOW_ANY' })
})

t.test('a policy of a Sidecar that names no mode lets only the registry count', async t => {
  const sidecar = 'Sidecar shop/default { outboundTrafficPolicy: {} }'
  const routing = createRouting(routingWorld([], [sidecar]))
  t.match(routing.sidecar(shop), { outboundTrafficPolicy: 'REGISTRY_ONLY' })
  t.match(routing.sidecar(front), { outboundTrafficPolicy: 'ALLOW_ANY' })
  const silent = createRouting(routingWorld([], ['Sidecar shop/default { egress: [{ hosts: ["*/*"] }] }']))
  t.match(silent.sidecar(shop), { outboundTrafficPolicy: 'ALLOW_ANY' })
})

t.test('rules without a port go to the only port of a service, else to the one connected to', async t => {
  const many = routable('many.shop.mesh', {
    ports: [80, 8080].map(port => ({ name: `http-${port}`, port, protocol: 'http' })),
  })
  const one = routable('one.shop.mesh', { ports: [{ name: 'http', port: 9000, protocol: 'http' }] })
  const route = (host: string) => `{ hosts: [${host}], http: [{ route: [{ destination: { host: ${host} } }] }] }`
  const rules = [`VirtualService shop/a ${route('one')}`, `VirtualService shop/b ${route('many')}`]
  const routing = createRouting(routingWorld([many, one], rules))
  t.same(clusters(routing.httpPort(shop, 8080).find('many')), ['outbound|8080||many.shop.mesh'])
  t.same(clusters(routing.httpPort(shop, 8080).find('one.shop.mesh')), ['outbound|9000||one.shop.mesh'])
})

t.test("a Sidecar's listener of a port counts for that port, the one without a port for the rest", async t => {
  const sidecar = 'Sidecar front/default { egress: [{ port: { number: 80 }, hosts: [shop/cart.shop.mesh] }] }'
  const both = `${sidecar.slice(0, -3)}, { hosts: ["*/api.acme.example"] }] }`
  const ports = [80, 81].map(port => ({ name: `http-${port}`, port, protocol: 'http' as const }))
  const world = [cart, api].map(service => ({ ...service, ports }))
  const only = createRouting(routingWorld(world, [sidecar]))
  t.equal(only.httpPort(front, 80).find('cart.shop.mesh').name, 'cart.shop.mesh:80')
  t.equal(only.httpPort(front, 81).find('cart.shop.mesh').name, 'allow_any')
  const two = createRouting(routingWorld(world, [both]))
  t.equal(two.httpPort(front, 80).find('api.acme.example').name, 'allow_any')
  t.equal(two.httpPort(front, 81).find('api.acme.example').name, 'api.acme.example:81')
  t.equal(two.httpPort(front, 81).find('api.shop.mesh').name, 'api.shop.mesh:81')
  t.equal(two.httpPort(front, 81).find('cart.shop.mesh').name, 'allow_any')
})

t.test('a cluster exists for services, ports and subsets that the client knows', async t => {
  const hidden = routable('hidden.shop.mesh', { exportTo: ['shop'] })
  const rule = 'DestinationRule shop/cart { host: cart, subsets: [{ name: v1, labels: { version: v1 } }] }'
  const routing = createRouting(routingWorld([cart, hidden], [rule]))
  t.match(routing.cluster(front, to('cart.shop.mesh')), { exists: true, rule: 'DestinationRule shop/cart' })
  t.match(routing.cluster(front, to('cart.shop.mesh', 80, 'v1')), { exists: true, subsetLabels: { version: 'v1' } })
  t.match(routing.cluster(front, to('cart.shop.mesh', 80, 'v2')), { exists: false, subsetLabels: {} })
  t.equal(routing.cluster(front, to('cart.shop.mesh', 81)).exists, false)
  t.equal(routing.cluster(front, to('nobody.shop.mesh')).exists, false)
  t.equal(routing.cluster(front, to('hidden.shop.mesh')).exists, false)
  t.equal(routing.cluster(shop, to('hidden.shop.mesh')).exists, true)
})

t.test('a destination of a rule in scope exists, though the Sidecar does not import it', async t => {
  const rules = '{ hosts: [cart.shop.mesh], http: [{ route: [{ destination: { host: api.shop.mesh } }] }] }'
  const world = routingWorld(services, [
    'Sidecar front/default { egress: [{ hosts: [shop/cart.shop.mesh] }] }',
    `VirtualService shop/cart ${rules}`,
  ])
  const routing = createRouting(world)
  t.same(clusters(routing.httpPort(front, 80).find('cart.shop.mesh')), ['outbound|80||api.shop.mesh'])
  t.equal(routing.cluster(front, to('api.shop.mesh')).exists, true)
  t.equal(routing.httpPort(front, 80).find('api.shop.mesh').name, 'allow_any')
  t.equal(routing.cluster(front, to('wild.shop.mesh')).exists, false)
})

t.test('a Sidecar that imports one name of a service imports what it is called by its address', async t => {
  const database = routable('db.shop.mesh', { hosts: ['db.shop.mesh', 'db.example', 'replica.example'] })
  const seen = (hosts: string) => {
    const routing = createRouting(routingWorld([database], [`Sidecar front/default { egress: [{ hosts: ${hosts} }] }`]))
    return database.hosts.filter(host => routing.cluster(front, to(host)).exists)
  }
  t.same(seen('[shop/db.example]'), ['db.shop.mesh', 'db.example'])
  t.same(seen('[shop/db.shop.mesh]'), database.hosts)
  t.same(seen('["*/*", "~shop/db.example"]'), ['replica.example'])
  t.same(seen('["*/*", "~shop/db.shop.mesh"]'), [])
})

t.test('of services with one host the own namespace is called', async t => {
  const ours = routable('x.front.mesh', { hosts: ['dup.example'], ports: [{ name: 'a', port: 81, protocol: 'http' }] })
  const theirs = routable('x.early.mesh', { hosts: ['dup.example'] })
  const routing = createRouting(routingWorld([theirs, ours]))
  t.equal(routing.cluster(front, to('dup.example', 81)).exists, true)
  t.equal(routing.cluster(front, to('dup.example', 80)).exists, false)
  t.equal(routing.cluster(shop, to('dup.example', 80)).exists, true)
})

t.test('retries avoid the hosts tried before, unless a hash chooses them', async t => {
  const hash = 'DestinationRule shop/cart { host: cart, trafficPolicy: { loadBalancer: { consistentHash: HASH } } }'
  const avoids = (resources: readonly string[]) => {
    const [route] = createRouting(routingWorld(services, resources)).httpPort(shop, 80).find('cart').routes
    return route?.action.kind === 'forward' ? route.action.retry?.avoidPreviousHosts : undefined
  }
  t.equal(avoids([]), true)
  t.equal(avoids([hash.replace('HASH', '{ useSourceIp: true }')]), false)
})

t.test('what a workload receives is bounded by the first pool that is set, as a whole', async t => {
  const pool = (connections: number) => `{ tcp: { maxConnections: ${connections} } }`
  const port = `portLevelSettings: [{ port: { number: 80 }, connectionPool: ${pool(2)} }]`
  const rule = `{ host: cart, trafficPolicy: { connectionPool: { http: { http2MaxRequests: 9 } }, ${port} } }`
  const resources = [`DestinationRule shop/cart ${rule}`]
  const rules = createRouting(routingWorld(services, resources))
  t.match(rules.inboundPool(shop, 'cart.shop.mesh', 80), { maxConnections: 2, maxRequests: undefined })
  t.match(rules.inboundPool(shop, 'cart.shop.mesh', 81), { maxConnections: undefined, maxRequests: 9 })
  const sidecar = `Sidecar shop/web { workloadSelector: { labels: { app: web } }, inboundConnectionPool: ${pool(1)} }`
  const both = createRouting(routingWorld(services, [...resources, sidecar]))
  t.match(both.inboundPool(shop, 'cart.shop.mesh', 81), { maxConnections: 1, maxRequests: undefined })
  const other = { namespace: 'shop', labels: {} }
  t.match(both.inboundPool(other, 'cart.shop.mesh', 80), { maxConnections: 2 })
  t.match(rules.inboundPool(shop, 'api.shop.mesh', 80), { maxConnections: undefined, maxRequests: undefined })
})

t.test('the routing before is kept while nothing that it decides by changes', async t => {
  const rule = 'VirtualService shop/a { hosts: [cart], http: [{ route: [{ destination: { host: api } }] }] }'
  const before = createRouting(routingWorld(services, [rule]))
  t.equal(createRouting(structuredClone(routingWorld(services, [rule])), before), before)
  t.not(createRouting(routingWorld(services, [rule]), undefined), before)
  const changed = (change: Partial<typeof cart>) => [{ ...cart, ...change }, api, wild]
  const others = [
    routingWorld(services),
    routingWorld(services, [rule.replace('api', 'cart')]),
    routingWorld(services, [rule], { connectTimeout: '1s' }),
    routingWorld([cart, api], [rule]),
    routingWorld(changed({ name: 'other' }), [rule]),
    routingWorld(changed({ namespace: 'other' }), [rule]),
    routingWorld(changed({ hosts: ['other.shop.mesh'] }), [rule]),
    routingWorld(changed({ addresses: ['240.240.0.1'] }), [rule]),
    routingWorld(changed({ exportTo: [] }), [rule]),
    routingWorld(changed({ exportTo: ['shop'] }), [rule]),
    routingWorld(changed({ ports: [{ name: 'http', port: 81, protocol: 'http' }] }), [rule]),
    routingWorld(changed({ ports: [{ name: 'http', port: 80, protocol: 'http2' }] }), [rule]),
    routingWorld(changed({ ports: [] }), [rule]),
    { ...routingWorld(services, [rule]), domain: 'other' },
  ]
  for (const [index, world] of others.entries()) t.not(createRouting(world, before), before, `change ${index}`)
})

t.test(
  "rules about a declared host hold for the service's own name and its addresses, and the other way round",
  async t => {
    const database = routable('db.shop.mesh', {
      hosts: ['db.shop.mesh', 'db.example', 'replica.example'],
      addresses: ['240.240.0.9'],
    })
    const rule = (host: string, to: string) => {
      return `{ hosts: ["${host}"], http: [{ route: [{ destination: { host: ${to} } }] }], tcp: [{ route: [{ destination: { host: ${to} } }] }] }`
    }
    const found = (...resources: string[]) => {
      const routing = createRouting(routingWorld([database], resources))
      const of = (authority: string) => clusters(routing.httpPort(front, 80).find(authority))[0]?.split('|').at(-1)
      const [tcp] = routing.tcp(front, database, 80, undefined, '240.240.0.9') ?? []
      return [of('db.shop.mesh'), of('240.240.0.9'), of('db.example'), of('replica.example'), tcp?.destination.host]
    }
    const declared = `VirtualService shop/a ${rule('db.example', 'a')}`
    const own = `VirtualService shop/b ${rule('db', 'b')}`
    const [a, b] = ['a.shop.mesh', 'b.shop.mesh']
    t.same(found(declared), [a, a, a, 'replica.example', a])
    t.same(found(own), [b, b, b, b, b])
    t.same(found(declared, own), [b, b, a, b, b])
    t.same(found(declared, `VirtualService shop/c ${rule('*.mesh', 'b')}`), [a, a, a, b, a])
  },
)

t.test('policies of a declared host hold for the own name, whatever a wildcard says', async t => {
  const database = routable('db.shop.mesh', { hosts: ['db.shop.mesh', 'db.example', 'replica.example'] })
  const policy = (host: string, connections: number) =>
    `{ host: "${host}", trafficPolicy: { connectionPool: { tcp: { maxConnections: ${connections} } } } }`
  const routing = createRouting(
    routingWorld(
      [database],
      [`DestinationRule shop/all ${policy('*.mesh', 1)}`, `DestinationRule shop/db ${policy('db.example', 2)}`],
    ),
  )
  const limits = database.hosts.map(host => routing.cluster(front, to(host)).maxConnections)
  t.same(limits, [2, 2, 1])
  t.equal(routing.inboundPool(shop, 'db.shop.mesh', 80).maxConnections, 2)
})

t.test('TLS without a server name expects a certificate for the host that the service declares', async t => {
  const pay = routable('pay.shop.mesh', { hosts: ['pay.shop.mesh', '*.pay.example', 'pay.example'] })
  const tls = (host: string, sni = '') =>
    `DestinationRule shop/r { host: "${host}", trafficPolicy: { tls: { mode: SIMPLE${sni} } } }`
  const sni = (host: string, rule: string) => {
    return createRouting(routingWorld([cart, pay, wild], [rule])).cluster(front, to(host)).tls.sni
  }
  t.equal(sni('pay.example', tls('pay.example')), 'pay.example')
  t.equal(sni('pay.shop.mesh', tls('pay.example')), 'pay.example')
  t.equal(sni('pay.shop.mesh', tls('pay.example', ', sni: other.example')), 'other.example')
  t.equal(sni('cart.shop.mesh', tls('cart')), 'cart.shop.mesh')
  t.equal(sni('*.wild.example', tls('*.wild.example')), '')
})
