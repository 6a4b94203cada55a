import t, { type Test } from 'tap'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { createConsulAdapter } from '../../registry-adapters/consul/adapter.ts'
import type { ConsulOptions } from '../../registry-adapters/consul/options.ts'
import { startConsul } from '../support/consul.ts'
import { quickPace } from '../support/consul-driver.ts'
import { endpointsOf, watchAdapter } from '../support/watch-adapter.ts'

t.test('with the options of a registry', async t => {
  const consul = await startConsul()
  t.teardown(() => consul.stop())
  const register = (ID: string, Service: string, port: number, more: object = {}) =>
    consul.register({
      Node: `node-${ID}`,
      Address: '10.99.0.1',
      TaggedAddresses: { lan: '10.99.0.1', wan: '203.0.113.9', lan_ipv6: 'fd00::9' },
      Service: { ID, Service, Port: port, ...more },
    })
  await register('api-1', 'api', 8080, { Address: '10.88.0.1', Tags: ['mesh'] })
  await register('api-2', 'api', 8080, {
    Address: '10.88.0.2',
    TaggedAddresses: { wan: { Address: '203.0.113.2', Port: 9443 }, virtual: { Address: '10.1.0.1', Port: 80 } },
  })
  await register('web-1', 'web', 80, { TaggedAddresses: { virtual: { Address: '10.1.0.2', Port: 80 } } })

  await t.test('a filter takes instances', async t => {
    const watched = watch(t, consul.address, { filter: '"mesh" in Service.Tags' })
    const view = await watched.view(() => true)
    t.same(endpointsOf(view, 'api'), ['10.88.0.1:8080'])
    t.equal(endpointsOf(view, 'web'), undefined, 'a service without any is no failure')
    await watched.stands('fresh')
    await register('web-2', 'web', 80, { Address: '10.88.0.4', Tags: ['mesh'] })
    await watched.view(view => endpointsOf(view, 'web')?.join() === '10.88.0.4:80')
    await consul.deregister({ Node: 'node-web-2' })
    await watched.view(view => endpointsOf(view, 'web') === undefined)
  })

  await t.test('a filter that Consul does not understand is named', async t => {
    const watched = watch(t, consul.address, { filter: 'Service.Tags has mesh' })
    await watched.stands('failing', /does not understand.*filter Service.Tags has mesh.*boolean expression/)
    t.same(watched.views, [])
  })

  await t.test('services are taken by name or tag', async t => {
    const byTag = await watch(t, consul.address, { services: ['tag:mesh'] }).view(() => true)
    t.same([...byTag.services.keys()], ['default/api'])
    const byName = await watch(t, consul.address, { excludeServices: ['a*'] }).view(() => true)
    t.same([...byName.services.keys()], ['default/web'])
  })

  await t.test('tagged addresses are used where there are such', async t => {
    const places = async (addressTag: string) => {
      const view = await watch(t, consul.address, { addressTag }).view(() => true)
      return [...(endpointsOf(view, 'api') ?? []), ...(endpointsOf(view, 'web') ?? [])]
    }
    t.same(await places('wan'), ['10.88.0.1:8080', '203.0.113.2:9443', '203.0.113.9:80'])
    t.same(await places('lan_ipv6'), ['10.88.0.1:8080', '10.88.0.2:8080', 'fd00::9:80'])
  })

  await t.test('a virtual address that all instances have is one of the service', async t => {
    const view = await watch(t, consul.address, {}).view(() => true)
    t.same(view.services.get('default/web')?.addresses, ['10.1.0.2'])
    t.same(view.services.get('default/api')?.addresses, [])
  })

  await t.test('what only Consul Enterprise has is refused by name', async t => {
    const namespace = watch(t, consul.address, { consulNamespace: 'team-a' })
    await namespace.stands('failing', /namespace/i)
    const partition = watch(t, consul.address, { partition: 'east' })
    await partition.stands('failing', /partition/)
    t.same([...namespace.views, ...partition.views], [])
  })
})

function watch(t: Test, address: string, options: ConsulOptions) {
  const deps = { name: 'consul', clock: systemClock, random: systemRandom, log: silentLog }
  return watchAdapter(t, report => createConsulAdapter({ ...deps, report }, { address, pace: quickPace, ...options }))
}
