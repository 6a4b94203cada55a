import fc from 'fast-check'
import t from 'tap'
import type { RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import { serviceKey } from '../../../../mesh/model/service.ts'
import { createMapping, type MappingOptions, templateProblem } from '../../../../server/catalogue/mapping.ts'
import { plain, service, snapshotOf, workload } from '../../../support/catalogue.ts'

const unmapped: MappingOptions = { name: '{name}', namespace: '{namespace}', hosts: [] }
const mappingOf = (given: Partial<MappingOptions>) => createMapping({ ...unmapped, ...given }, 'dc1')

t.test('what maps to itself is handed on as it is', async t => {
  const view = snapshotOf([service('api', ['dc1/a'])], [workload({ id: 'dc1/a' })])
  t.equal(mappingOf({})(view), view)
})

t.test('services get the mapped name, namespace and further hosts, workloads the mapped namespace', async t => {
  const map = mappingOf({
    name: '{namespace}-{name}',
    namespace: '{registry}',
    hosts: ['{name}.service.consul', '{name}.{namespace}.{registry}.test'],
  })
  const api = service('api', ['dc1/a'], { namespace: 'shop', hosts: ['api.old'], exportTo: ['shop', '*'] })
  const view = map(snapshotOf([api], [workload({ id: 'dc1/a', namespace: 'shop', serviceAccount: 'api' })]))
  t.same([...view.services.keys()], ['dc1/shop-api'])
  t.match(view.services.get('dc1/shop-api'), {
    name: 'shop-api',
    namespace: 'dc1',
    hosts: ['api.old', 'api.service.consul', 'api.shop.dc1.test'],
    exportTo: ['dc1', '*'],
    endpoints: [{ workload: 'dc1/a' }],
  })
  t.match(view.workloads.get('dc1/a'), { id: 'dc1/a', name: 'a', namespace: 'dc1', serviceAccount: 'api' })
})

t.test('a host that the service has already is not there twice', async t => {
  const map = mappingOf({ hosts: ['{name}.test', 'api.test'] })
  const view = map(snapshotOf([service('api', [], { hosts: ['api.test'] })], []))
  t.same(view.services.get('default/api')?.hosts, ['api.test'])
})

t.test('two services that come to one key: the first by its own key is used, the other is named with it', async t => {
  const map = mappingOf({ namespace: 'all' })
  const [a, b] = [service('api', [], { namespace: 'a' }), service('api', [], { namespace: 'b', hosts: ['b.test'] })]
  const both = map(snapshotOf([b, a], []))
  t.same([...both.services.keys()], ['all/api'])
  t.same(both.services.get('all/api')?.hosts, [])
  const reason = 'the mapping makes it all/api, as it does service a/api, which is used'
  t.same(both.problems, [{ item: 'service b/api', reason }])
  const one = map(snapshotOf([b], []))
  t.same(one.services.get('all/api')?.hosts, ['b.test'], 'when the first goes the other takes its place')
  t.same(one.problems, [])
})

t.test('only what has changed is mapped again', async t => {
  const map = mappingOf({ namespace: '{registry}' })
  const first = snapshotOf([service('api'), service('web')], [workload({ id: 'dc1/a' }), workload({ id: 'dc1/b' })])
  const before = map(first)
  const web = service('web', ['dc1/b'])
  const after = map({ ...first, services: first.services.with([['default/web', web]]) })
  t.equal(after.services.get('dc1/api'), before.services.get('dc1/api'))
  t.not(after.services.get('dc1/web'), before.services.get('dc1/web'))
  t.equal(after.workloads, before.workloads)
  t.equal(after.problems, before.problems)
})

t.test('the same view twice is the same view', async t => {
  const map = mappingOf({ namespace: '{registry}' })
  const view = snapshotOf([service('api')], [])
  t.equal(map(view), map(view))
})

t.test('a service that is listed under a key not its own keeps that, so that it is found out', async t => {
  const map = mappingOf({ namespace: '{registry}' })
  const view = snapshotOf([], [])
  const odd = map({ ...view, services: view.services.with([['default/other', service('api')]]) })
  t.same([...odd.services.keys()], ['default/other'])
  t.match(odd.services.get('default/other'), { name: 'api', namespace: 'default' })
})

t.test('whatever the views, mapping each from the one before gives what mapping it alone gives', async () => {
  const one = fc.record({ name: fc.constantFrom('a', 'b', 'c'), namespace: fc.constantFrom('x', 'y'), port: fc.nat(3) })
  const views = fc.array(fc.uniqueArray(one, { selector: serviceKey, maxLength: 6 }), { maxLength: 6 })
  const options = fc.constantFrom<Partial<MappingOptions>>(
    { namespace: 'all' },
    { name: 'only', namespace: '{registry}-{namespace}' },
    { name: '{namespace}', namespace: 'all', hosts: ['{name}.test'] },
  )
  fc.assert(
    fc.property(views, options, (lists, given) => {
      const map = mappingOf(given)
      for (const list of lists) {
        const services = list.map(({ port, ...named }) => service(named.name, [], { ...named, hosts: [`h${port}`] }))
        const view: RegistrySnapshot = snapshotOf(services, [])
        const together = plain(map(view))
        const alone = plain(mappingOf(given)(view))
        if (JSON.stringify(together) !== JSON.stringify(alone)) throw new Error(JSON.stringify({ together, alone }))
      }
    }),
  )
})

t.test('templates with unknown variables or single braces are refused with what they may have', async t => {
  t.equal(templateProblem('name', '{registry}-{name}'), undefined)
  t.match(templateProblem('name', '{nam}'), /has \{nam\}, it may have \{name\}, \{namespace\}, \{registry\}/)
  t.match(templateProblem('namespace', '{name}'), /may have \{namespace\}, \{registry\}/)
  t.match(templateProblem('hosts', '{name.test'), /brace without the other/)
  t.match(templateProblem('hosts', 'name}.test'), /brace without the other/)
  t.match(templateProblem('name', ''), /is empty/)
})
