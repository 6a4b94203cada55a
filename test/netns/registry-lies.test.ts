import t from 'tap'
import { until } from '../support/eventually.ts'
import { backends, createFaultyMesh, services } from './faulty-mesh.ts'

// A Consul that lies, flaps and goes blind, while calls go on: none of them may fail as long as backends live.
const { mesh, hosts, serving, tell, registrationOf, registry, expectRegistry, well, expectNoLoss, forgetLoad } =
  await createFaultyMesh(t)

t.test('lies are left out one by one and named, the rest is in use', async t => {
  const lie = (id: string, service: object, nodeAddress = '10.77.0.99') => {
    const registration = {
      Node: `liar-${id}`,
      Address: nodeAddress,
      Service: { ID: id, Service: 'echo', Port: 9101, ...service },
    }
    return tell({ do: 'register', registration })
  }
  const [virtualIp = ''] =
    (JSON.parse(await mesh.weft('services', '-o', 'json')) as { virtualIps: string[] }[])[0]?.virtualIps ?? []
  await lie('metadata', { Address: '169.254.169.254' })
  await lie('vip', { Address: virtualIp })
  await lie('zone', { Address: 'fe80::1%eth0' })
  await lie('huge', { Address: hosts.d.address4, Meta: { note: 'x'.repeat(1_000_000) } })
  await lie('port', { Port: 70_000 })
  await expectRegistry('all four are named', ({ problems }) => {
    return ['metadata', 'vip', 'zone', 'port'].every(id => problems.some(({ item }) => item.includes(id)))
  })
  const { workloads } = await registry()
  t.equal(workloads, 10, 'none of them is in use; a megabyte of notes is not read and harms nobody')
  await expectNoLoss(t)
  for (const id of ['metadata', 'vip', 'zone', 'huge', 'port']) {
    await tell({ do: 'deregister', node: `liar-${id}`, service: id })
  }
  await well()
})

t.test('an instance whose check flaps five times a second is held steady', async t => {
  const pushes = async () => {
    const text = await hosts.cp.must('curl', ['-sS', '--max-time', '5', 'http://127.0.0.1:15014/metrics'])
    return Number(/^weft_server_pushes_total (\d+)/m.exec(text)?.[1])
  }
  await tell({ do: 'flap', hertz: 5, registration: registrationOf(hosts.b, 'echo') })
  await expectRegistry('it is known to flap', ({ flapping }) => flapping === 1)
  const before = await pushes()
  const startedAt = performance.now()
  await expectNoLoss(t)
  await until('five seconds have passed', () => performance.now() - startedAt > 5000)
  const perAgent = (await pushes()) - before
  t.ok(perAgent <= 4 * 5, `${perAgent} pushes to four agents while it flapped 25 times`)
  await expectNoLoss(t)
  await tell({ do: 'well' })
  await tell({ do: 'register', registration: registrationOf(hosts.b, 'echo') })
})

t.test('a backend that is really dead leaves although the registry has gone blind', async t => {
  await tell({ do: 'fault', on: '.', fault: { kind: 'no-leader' } })
  await serving.get('d')?.kill('SIGKILL')
  for (const name of backends) {
    for (const service of services) await tell({ do: 'deregister', node: name, service })
  }
  await tell({ do: 'well' })
  await expectRegistry('the removal is held', ({ held }) => held !== undefined)
  await expectRegistry('the dead ones are let go of, the others answer', ({ held }) => {
    return held?.workloads === 6 && held.answering === 6
  })
  await forgetLoad()
  await expectNoLoss(t)
  await mesh.weft('registries', 'confirm', 'consul')
  await expectRegistry('it is believed', ({ workloads }) => workloads === 0)
})
