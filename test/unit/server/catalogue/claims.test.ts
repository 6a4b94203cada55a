import t from 'tap'
import type { Service } from '../../../../mesh/model/service.ts'
import { createClaims } from '../../../../server/catalogue/claims.ts'
import { service } from '../../../support/catalogue.ts'

function settle(...services: readonly Service[]) {
  const all = services.map(one => [`${one.namespace}/${one.name}`, { ...one, registries: ['r'] }] as const)
  const claims = createClaims('mesh')
  claims.update(all)
  const settled = all.map(([key, one]) => [key, claims.settle(key, one)] as const)
  return {
    services: new Map(settled.map(([key, one]) => [key, one.service])),
    problems: settled.flatMap(([, one]) => one.problems),
  }
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
  const claims = createClaims('mesh')
  claims.update([['default/a', one]])
  t.equal(claims.settle('default/a', one).service, one)
})

t.test('what a service gives back goes to the next one, and only those concerned are settled anew', async t => {
  const claims = createClaims('mesh')
  const of = (name: string, hosts: readonly string[]) => {
    return [`default/${name}`, { ...service(name, [], { hosts }), registries: ['r'] }] as const
  }
  const [first, second, other] = [of('a', ['x.example']), of('b', ['x.example']), of('c', ['y.example'])]
  t.same([...claims.update([first, second, other])].sort(), ['default/a', 'default/b', 'default/c'])
  t.same(claims.settle(...second).service.hosts, [])
  t.same([...claims.update([['default/a', undefined]])].sort(), ['default/a', 'default/b'])
  t.same(claims.settle(...second).service.hosts, ['x.example'])
  t.same([...claims.update([first])].sort(), ['default/a', 'default/b'])
  t.same(claims.settle(...second).service.hosts, [])
})
