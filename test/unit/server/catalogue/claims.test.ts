import t from 'tap'
import type { Service } from '../../../../mesh/model/service.ts'
import { settleClaims } from '../../../../server/catalogue/claims.ts'
import { service } from '../../../support/catalogue.ts'

function settle(...services: readonly Service[]) {
  const all = services.map(one => [`${one.namespace}/${one.name}`, { ...one, registries: ['r'] }] as const)
  return settleClaims(new Map(all), 'mesh')
}

t.test('a host belongs to the first service that declares it', async t => {
  const { services, problems } = settle(
    service('a', [], { hosts: ['x.example', 'y.example'] }),
    service('b', [], { hosts: ['x.example', 'z.example'] }),
  )
  t.same(services.get('default/a')?.hosts, ['x.example', 'y.example'])
  t.same(services.get('default/b')?.hosts, ['z.example'])
  t.same(problems, [{ item: 'service default/b', reason: 'its host x.example already belongs to service default/a' }])
})

t.test('nobody takes a name in the zone of the mesh but their own', async t => {
  const { services, problems } = settle(
    service('thief', [], { hosts: ['api.default.mesh', 'mesh', 'thief.default.mesh'] }),
  )
  t.same(services.get('default/thief')?.hosts, ['thief.default.mesh'])
  t.match(problems, [{ reason: /api.default.mesh is in the mesh's own zone/ }, { reason: /host mesh is/ }])
})

t.test('an address may be shared when the ports differ, and only then', async t => {
  const at = (name: string, ...ports: readonly number[]) => {
    return service(name, [], {
      addresses: ['192.0.2.1'],
      ports: ports.map(port => ({ name: `p${port}`, port, protocol: 'tcp' as const })),
    })
  }
  const { services, problems } = settle(at('a', 80), at('b', 443), at('c', 90, 80), at('d', 90))
  t.same(services.get('default/b')?.addresses, ['192.0.2.1'])
  t.same(services.get('default/c')?.addresses, [])
  t.same(services.get('default/d')?.addresses, ['192.0.2.1'], 'a refused claim holds nothing')
  t.match(problems, [{ item: 'service default/c', reason: /belongs to service default\/a/ }])
})

t.test('services without a dispute are handed on as the same object', async t => {
  const one = { ...service('a', [], { hosts: ['x.example'] }), registries: ['r'] }
  t.equal(settleClaims(new Map([['default/a', one]]), 'mesh').services.get('default/a'), one)
})
