import t from 'tap'
import { withHostClaims } from '../../../../server/catalogue/host-claims.ts'
import { service } from '../../../support/catalogue.ts'

const written = { registry: 'resources', service: service('pay', ['resources/a'], { hosts: ['pay.example'] }) }
const consul = { registry: 'consul', service: service('pay', ['consul/b']) }
const registered = { registry: 'hosts', service: service('pay', ['hosts/c']) }

t.test('what hosts registered is part of what operators declared', async t => {
  const claims = withHostClaims([written, registered, consul])
  t.same(
    claims.map(({ registry, service }) => [registry, service.endpoints.map(({ workload }) => workload)]),
    [
      ['resources', ['resources/a', 'hosts/c']],
      ['consul', ['consul/b']],
    ],
  )
  t.same(claims[0]?.service.hosts, ['pay.example'])
})

t.test('without a ServiceEntry it is part of nothing', async t => {
  t.same(withHostClaims([registered, consul]), [consul])
  t.same(withHostClaims([registered]), [])
})

t.test('other claims are left as they are', async t => {
  t.same(withHostClaims([written, consul]), [written, consul])
})
