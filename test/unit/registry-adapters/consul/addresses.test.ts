import t from 'tap'
import { commonVirtual, placeOf } from '../../../../registry-adapters/consul/addresses.ts'
import { translateService } from '../../../../registry-adapters/consul/translate-service.ts'
import { consulInstance, plainContext } from '../../../support/consul-instance.ts'

const address = '10.77.0.1'
const wan = { wan: { address: '203.0.113.7', port: 8443 } }
const nodeWan = { taggedAddresses: { wan: '203.0.113.1', lan_ipv6: 'fd00::1' } }

t.test('the address is the tagged one, else the instance’s, else the node’s tagged one, else the node’s', async t => {
  const place = (part: Parameters<typeof consulInstance>[0], tag?: string) => {
    const { address: at, port } = placeOf(consulInstance(part), tag)
    return `${at} ${port}`
  }
  const all = { address, port: 8080, taggedAddresses: wan, node: nodeWan }
  t.equal(place(all), '10.77.0.1 8080', 'without a tag nothing is translated')
  t.equal(place(all, 'wan'), '203.0.113.7 8443')
  t.equal(place({ ...all, taggedAddresses: { wan: { address: '203.0.113.7', port: 0 } } }, 'wan'), '203.0.113.7 8080')
  t.equal(place({ ...all, taggedAddresses: {} }, 'wan'), '10.77.0.1 8080')
  t.equal(place({ ...all, taggedAddresses: { wan: { address: '', port: 1 } } }, 'wan'), '10.77.0.1 8080')
  t.equal(place({ port: 8080, node: nodeWan }, 'wan'), '203.0.113.1 8080')
  t.equal(place({ port: 8080, node: nodeWan }, 'lan_ipv6'), 'fd00::1 8080')
  t.equal(place({ port: 8080, node: nodeWan }, 'lan_ipv4'), '10.99.0.1 8080')
  t.equal(place({ port: 8080, node: nodeWan }), '10.99.0.1 8080')
})

t.test('a tagged address is where the workload and its endpoint are', async t => {
  const instance = consulInstance({ address, port: 8080, taggedAddresses: wan })
  const { services, workloads } = translateService('api', [instance], { ...plainContext, addressTag: 'wan' })
  t.equal(workloads[0]?.address, '203.0.113.7')
  t.same(services[0]?.endpoints[0]?.ports, { auto: 8443 })
})

t.test('an address of the service as a whole is one that all its instances name', async t => {
  t.same(commonVirtual([]), [])
  t.same(commonVirtual(['10.1.0.1', '10.1.0.1']), ['10.1.0.1'])
  t.same(commonVirtual(['10.1.0.1', '10.1.0.2']), [])
  t.same(commonVirtual(['10.1.0.1', '']), [])
  const virtual = (id: string, at: string) =>
    consulInstance({ id, taggedAddresses: { virtual: { address: at, port: 0 } } })
  const addresses = (...instances: ReturnType<typeof virtual>[]) =>
    translateService('api', instances, plainContext).services[0]?.addresses
  t.same(addresses(virtual('a', '10.1.0.1'), virtual('b', '10.1.0.1')), ['10.1.0.1'])
  t.same(addresses(virtual('a', 'FD00::1'), virtual('b', 'fd00:0::1')), ['fd00::1'], 'in its one spelling')
  const { services, problems } = translateService('api', [virtual('a', 'vip.example')], plainContext)
  t.same(services[0]?.addresses, [])
  t.match(problems[0]?.reason, /virtual address "vip.example" is not an IP address/)
})
