import t from 'tap'
import { createRouting } from '../../../../mesh/routing/routing.ts'
import { routable, routingWorld } from '../../../support/routing-world.ts'

const shop = { namespace: 'shop', labels: { app: 'web' } }
const database = routable('db.shop.mesh', { ports: [{ name: 'tcp', port: 5432, protocol: 'tcp' }] })
const other = routable('other.shop.mesh', { ports: [{ name: 'tcp', port: 5432, protocol: 'tcp' }] })

function find(rules: string, options: { port?: number; sni?: string; address?: string; known?: boolean } = {}) {
  const routing = createRouting(routingWorld([database, other], [`VirtualService shop/db ${rules}`]))
  const service = options.known === false ? undefined : database
  const found = routing.tcp(shop, service, options.port ?? 5432, options.sni, options.address ?? '240.240.0.1')
  return found?.map(({ destination }) => `${destination.cluster} ${destination.weight}`)
}

const toOther = 'route: [{ destination: { host: other } }]'

t.test('a connection follows the first rule that matches, else goes on to its service', async t => {
  t.same(find(`{ hosts: [db], tcp: [{ ${toOther} }] }`), ['outbound|5432||other.shop.mesh 0'])
  t.equal(find(`{ hosts: [nobody], tcp: [{ ${toOther} }] }`), undefined)
  const match = (text: string) => `{ hosts: [db], tcp: [{ match: [${text}], ${toOther} }] }`
  t.equal(find(match('{ port: 5433 }')), undefined)
  t.ok(find(match('{ port: 5433 }, { port: 5432 }')))
  t.ok(find(match('{ sourceLabels: { app: web }, sourceNamespace: shop }')))
  t.equal(find(match('{ sourceLabels: { app: api } }')), undefined)
  t.equal(find(match('{ gateways: [edge] }')), undefined)
  t.equal(find(`{ hosts: [db], gateways: [edge], tcp: [{ ${toOther} }] }`), undefined)
})

t.test('subnets are of the address that was dialled', async t => {
  const rules = `{ hosts: [db], tcp: [{ match: [{ destinationSubnets: [10.1.0.0/16, 10.2.0.1, "fd00::/8"] }], ${toOther} }] }`
  for (const address of ['10.1.2.3', '10.2.0.1', 'fd00::7']) t.ok(find(rules, { address }), address)
  for (const address of ['10.3.0.1', '10.2.0.2', 'fe80::1']) t.equal(find(rules, { address }), undefined, address)
})

t.test('weights and subsets are kept as they are written', async t => {
  const route =
    'route: [{ destination: { host: db, subset: v1 }, weight: 9 }, { destination: { host: other }, weight: 1 }]'
  t.same(find(`{ hosts: [db], tcp: [{ ${route} }] }`), [
    'outbound|5432|v1|db.shop.mesh 9',
    'outbound|5432||other.shop.mesh 1',
  ])
})

t.test('server names choose among TLS rules, which come before TCP rules', async t => {
  const tls = `tls: [{ match: [{ sniHosts: ["*.Acme.example"] }], ${toOther} }]`
  const tcp = 'tcp: [{ route: [{ destination: { host: db, subset: v2 } }] }]'
  const rules = `{ hosts: [db], ${tls}, ${tcp} }`
  t.same(find(rules, { sni: 'a.acme.example' }), ['outbound|5432||other.shop.mesh 0'])
  t.same(find(rules, { sni: 'a.example' }), ['outbound|5432|v2|db.shop.mesh 0'])
  t.same(find(rules), ['outbound|5432|v2|db.shop.mesh 0'])
})

t.test('a server name stands for the service where the address is unknown', async t => {
  const rules = `{ hosts: ["*.acme.example"], tls: [{ match: [{ sniHosts: [a.acme.example] }], ${toOther} }] }`
  t.ok(find(rules, { sni: 'a.acme.example', known: false }))
  t.equal(find(rules, { sni: 'b.acme.example', known: false }), undefined)
  t.equal(find(rules, { known: false }), undefined)
})

t.test('a destination names the rule that sends there', async t => {
  const tls = `tls: [{ match: [{ sniHosts: [a.example] }], ${toOther} }]`
  const tcp = `tcp: [{ match: [{ port: 1 }], ${toOther} }, { ${toOther} }]`
  const routing = createRouting(
    routingWorld([database, other], [`VirtualService shop/db { hosts: [db], ${tls}, ${tcp} }`]),
  )
  const rules = (sni?: string) => routing.tcp(shop, database, 5432, sni, '240.240.0.1')?.map(({ rule }) => rule)
  t.same(rules('a.example'), ['VirtualService shop/db tls[0]'])
  t.same(rules(), ['VirtualService shop/db tcp[1]'])
})
