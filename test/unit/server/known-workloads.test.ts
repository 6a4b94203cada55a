import t from 'tap'
import { tableOf } from '../../../mesh/std/table.ts'
import { emptyCatalogue } from '../../../server/catalogue/catalogue.ts'
import { knownWorkloads } from '../../../server/known-workloads.ts'
import { catalogueWorkload, service, workload } from '../../support/catalogue.ts'

t.test('a workload has the services and ports of everything that it serves in the mesh', async t => {
  const cart = workload({
    id: 'r/cart',
    namespace: 'shop',
    node: 'vm-1',
    serviceAccount: 'cart',
    labels: { app: 'cart' },
  })
  const outside = workload({ id: 'r/db', namespace: 'shop' })
  const of = (name: string, values: object) => {
    return [
      `shop/${name}`,
      { ...service(name, [], { namespace: 'shop' }), registries: [], virtualIps: [], ...values },
    ] as const
  }
  const port = (name: string, protocol: 'http' | 'tcp' | 'tls' | 'auto') => ({ name, port: 80, protocol })
  const services = [
    of('cart', {
      ports: [port('web', 'http'), port('other', 'auto'), port('db', 'tcp'), port('tls', 'tls')],
      endpoints: [{ workload: 'r/cart', ports: { web: 8080, other: 9090, db: 5432, tls: 8443 } }],
    }),
    of('cart-v2', { ports: [port('web', 'http')], endpoints: [{ workload: 'r/cart', ports: { web: 8081 } }] }),
    of('outside', { location: 'external', endpoints: [{ workload: 'r/db', ports: { web: 1 } }] }),
  ]
  const workloads = [cart, outside].map(one => [one.id, catalogueWorkload(one)] as const)
  const known = knownWorkloads({ services: tableOf(services), workloads: tableOf(workloads), problems: [] })
  t.same(known, [
    {
      namespace: 'shop',
      labels: { app: 'cart' },
      services: ['shop/cart', 'shop/cart-v2'],
      ports: [
        { port: 8080, protocol: 'http' },
        { port: 9090, protocol: 'http' },
        { port: 5432, protocol: 'tcp' },
        { port: 8443, protocol: 'tcp' },
        { port: 8081, protocol: 'http' },
      ],
      isMeshed: true,
    },
    { namespace: 'shop', labels: outside.labels, services: [], ports: [], isMeshed: false },
  ])
})

t.test('of an empty catalogue nothing is known', async t => {
  t.equal(knownWorkloads(emptyCatalogue), undefined)
})
