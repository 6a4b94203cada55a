import t from 'tap'
import { parseDefaultEndpoint } from '../../../../mesh/routing/ingress.ts'
import { createRouting } from '../../../../mesh/routing/routing.ts'
import { routable, routingWorld } from '../../../support/routing-world.ts'

t.test('a default endpoint is loopback, the own address or a unix socket', async t => {
  t.same(parseDefaultEndpoint('127.0.0.1:9000'), { kind: 'loopback', address: '127.0.0.1', port: 9000 })
  t.same(parseDefaultEndpoint('[::1]:9000'), { kind: 'loopback', address: '::1', port: 9000 })
  for (const own of ['0.0.0.0:9000', '[::]:9000', ':9000']) {
    t.same(parseDefaultEndpoint(own), { kind: 'workload', port: 9000 }, own)
  }
  t.same(parseDefaultEndpoint('unix:///run/shop/cart.sock'), { kind: 'socket', path: '/run/shop/cart.sock' })
  t.same(parseDefaultEndpoint('unix:///run/shop/..cart'), { kind: 'socket', path: '/run/shop/..cart' })
})

t.test('nothing else is one', async t => {
  const addresses = ['', '9000', '10.0.0.1:80', 'localhost:80', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:65536', '::1:80']
  const sockets = ['/run/../etc/a', '/run/./a', '/run//a', '/run/', '@a', 'run/a', '/a\nb', `/${'x'.repeat(107)}`]
  for (const text of [...addresses, ...sockets.map(path => `unix://${path}`), 'unix://']) {
    t.equal(parseDefaultEndpoint(text), undefined, text)
  }
})

const workload = { namespace: 'shop', labels: { app: 'cart' } }
const pool = (connections: number) => `connectionPool: { tcp: { maxConnections: ${connections} } }`
const services = [routable('cart.shop')]

t.test('the Sidecar in force says where calls of a port are delivered, and in what', async t => {
  const listeners = [
    '{ port: { number: 8080, protocol: GRPC }, defaultEndpoint: "127.0.0.1:9000" }',
    '{ port: { number: 8081 } }',
    '{ port: { number: 8082 }, defaultEndpoint: somewhere }',
  ]
  const routing = createRouting(routingWorld(services, [`Sidecar shop/s { ingress: [${listeners.join()}] }`]))
  const ingress = routing.ingress(workload)
  t.match(ingress.get(8080), { protocol: 'grpc', endpoint: { kind: 'loopback', port: 9000 } })
  t.same(ingress.get(8081), {
    protocol: undefined,
    endpoint: { kind: 'workload', port: 8081 },
    connectionPool: undefined,
  })
  t.equal(ingress.get(8082)?.endpoint, undefined)
  t.equal(ingress.get(8083), undefined)
  t.equal(routing.ingress({ namespace: 'other', labels: {} }).size, 0)
})

t.test('the pool of a port goes before that of its Sidecar, as a whole', async t => {
  const ingress = `ingress: [{ port: { number: 8080 }, ${pool(1)} }, { port: { number: 8081 } }]`
  const sidecar = `Sidecar shop/s { ${ingress}, inboundConnectionPool: { http: { http2MaxRequests: 7 } } }`
  const rule = `DestinationRule shop/cart { host: cart, trafficPolicy: { ${pool(9)} } }`
  const routing = createRouting(routingWorld(services, [sidecar, rule]))
  const bounds = (port: number) => routing.inboundPool(workload, 'cart.shop.mesh', port)
  t.match(bounds(8080), { maxConnections: 1, maxRequests: undefined })
  t.match(bounds(8081), { maxConnections: undefined, maxRequests: 7 })
})
