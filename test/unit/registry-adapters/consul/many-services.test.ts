import t from 'tap'
import { systemClock, systemRandom } from '../../../../mesh/std/clock.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { createConsulAdapter } from '../../../../registry-adapters/consul/adapter.ts'
import { FakeConsul } from '../../../fakes/consul.ts'
import { quickPace, registrationOf } from '../../../support/consul-driver.ts'
import { endpointsOf, watchAdapter } from '../../../support/watch-adapter.ts'

t.test('three hundred services are followed with few open queries', async t => {
  const fake = await FakeConsul.start()
  t.teardown(() => fake.stop())
  const put = (id: string, service: string, port: number, status = 'passing') => {
    const registration = registrationOf({ id, service, address: '10.77.0.1', port })
    const check = { CheckID: `service:${id}`, Name: id, ServiceID: id, Status: status }
    fake.apply(() => fake.state.register({ ...registration, Check: check }))
  }
  for (let count = 0; count < 300; count += 1) put(`s${count}-1`, `s${count}`, 8080)
  const watched = watchAdapter(t, report =>
    createConsulAdapter(
      { name: 'consul', clock: systemClock, random: systemRandom, log: silentLog, report },
      { address: fake.address, maxOpenQueries: 8, pace: { ...quickPace, heartbeatMs: 60_000 } },
    ),
  )
  fake.delayMs = 2
  const first = await watched.view(() => true)
  t.equal(first.services.size, 300, 'the first view is whole')
  t.ok(fake.mostOpen <= 8 && fake.mostOpen >= 6, `${fake.mostOpen} queries open at once`)

  await t.test('a change of health costs one read', async t => {
    const readsBefore = fake.requests.filter(request => request.resource.startsWith('service/')).length
    put('s7-1', 's7', 8080, 'critical')
    await watched.view(view =>
      view.workloads.values().some(({ name, health }) => name === 's7' && health === 'unhealthy'),
    )
    const reads = fake.requests.filter(request => request.resource.startsWith('service/')).slice(readsBefore)
    t.same(
      reads.map(request => request.resource),
      ['service/s7'],
    )
  })

  await t.test('an instance that nothing hints at is found', async () => {
    fake.apply(() =>
      fake.state.register({
        Node: 'bare',
        Address: '10.77.0.2',
        Service: { ID: 's250-2', Service: 's250', Port: 8081 },
      }),
    )
    await watched.view(view => endpointsOf(view, 's250')?.length === 2)
  })

  await t.test('a new service is there before the others have been read again', async t => {
    const at = fake.requests.length
    put('new-1', 'new', 8080)
    await watched.view(view => endpointsOf(view, 'new')?.length === 1)
    const reads = fake.requests.slice(at).filter(request => request.resource.startsWith('service/'))
    const place = reads.findIndex(request => request.resource === 'service/new')
    t.ok(place < 100, `it is read as number ${place}, a batch of an older sweep at most before it`)
  })
  t.ok(fake.mostOpen <= 8, `${fake.mostOpen} queries open at once`)
})
