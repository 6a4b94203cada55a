import t from 'tap'
import { checkOptions } from '../../../../registry-adapters/consul/options.ts'
import { instancesOf, serviceResource } from '../../../../registry-adapters/consul/service-reads.ts'

const address = 'http://127.0.0.1:8500'
const entry = (place: object) => ({ Node: { Node: 'vm-1' }, Service: { ID: 'api-1', Service: 'api', ...place } })

t.test('a service is asked for with the filter of the registry', async t => {
  t.same(serviceResource('api', checkOptions({ address })), { kind: 'service', name: 'api' })
  const filter = '"mesh" in Service.Tags'
  t.same(serviceResource('api', checkOptions({ address, filter })), { kind: 'service', name: 'api', filter })
})

t.test('instances of the namespace and partition that were asked for are taken', async t => {
  const settings = checkOptions({ address, consulNamespace: 'team-a', partition: 'east' })
  t.equal(instancesOf([entry({ Namespace: 'team-a', Partition: 'east' })], settings).length, 1)
  t.equal(instancesOf([], settings).length, 0)
})

t.test('instances of elsewhere, or of a Consul that knows neither, are not', async t => {
  const refused = (options: object, place: object, option: string) =>
    t.throws(() => instancesOf([entry(place)], checkOptions({ address, ...options })), {
      code: 'WEFT_REGISTRY_UNAVAILABLE',
      fields: { option },
    })
  refused({ consulNamespace: 'team-a' }, {}, 'consulNamespace')
  refused({ consulNamespace: 'team-a' }, { Namespace: 'default' }, 'consulNamespace')
  refused({ partition: 'east' }, { Namespace: 'default' }, 'partition')
})

t.test('who asks for neither takes what there is', async t => {
  t.equal(instancesOf([entry({}), entry({ Namespace: 'team-a' })], checkOptions({ address })).length, 2)
})
