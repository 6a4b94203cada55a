import t from 'tap'
import { recorded, recordedWorld } from '../../../support/nomad-recording.ts'

// What an adapter must know of registrations, each point against answers recorded from a real Nomad.

const webOnB = '6396b0a6-a814-ed38-2c17-58a554038f8d'
const ports = 'b623394d-adac-25cd-5d84-0ed5e714e6b8'

t.test('every registration of the recorded cluster is a workload, or a problem that says why not', async t => {
  const { snapshot } = await recordedWorld()
  const registered = ['web', 'web-admin', 'api', 'node-agent', 'check-pass', 'check-fail', 'check-mixed', 'check-none']
  for (const name of registered) t.ok(snapshot.services.has(`default/${name}`), name)
  t.equal(snapshot.workloads.size, 37)
  t.same(
    snapshot.problems.map(({ item, reason }) => [item, reason]),
    [[`default/ports/${ports}`, 'service "p-address-dns": the address "ports.example.test" is not an IP address']],
  )
})

t.test(
  'a registration has no meta, health or node name: they come from its allocation, its job and its node',
  async t => {
    const { workload } = await recordedWorld()
    t.same(workload('web', webOnB), {
      id: `nomad/${webOnB}/group-web-web-http`,
      registry: 'nomad',
      namespace: 'default',
      name: 'web',
      address: '10.77.2.10',
      node: 'client-b',
      labels: {
        app: 'web',
        datacenter: 'dc2',
        group: 'web',
        job: 'web',
        namespace: 'default',
        'node-class': 'core',
        'node-pool': 'default',
        'nomad.tag/mesh.protocol': 'http',
        'nomad.tag/public': 'true',
        'nomad.tag/version-1.4.2': 'true',
        version: '1.4.2',
        weight: '50',
      },
      locality: { region: 'global', zone: 'dc2', subzone: 'core' },
      weight: 1,
      health: 'healthy',
      callers: [],
    })
  },
)

t.test('the id of a workload is the allocation and what tells its registrations apart, never taken apart', async t => {
  const { snapshot, workload } = await recordedWorld()
  t.same(
    [...snapshot.workloads.keys()].filter(id => id.includes('p-multi')),
    [`nomad/${ports}/group-g-p-multi-dyn`, `nomad/${ports}/group-g-p-multi-static`],
  )
  t.equal(workload('p-task').id, `nomad/${ports}/sleep-p-task-dyn`)
  t.equal(workload('p-noport').id, `nomad/${ports}/group-g-p-noport-`)
})

t.test('one allocation may register one name with several ports: they are named after their labels', async t => {
  const { service } = await recordedWorld()
  const multi = service('p-multi')
  t.same(multi.ports, [
    { name: 'dyn', port: 9090, protocol: 'auto' },
    { name: 'static', port: 18_080, protocol: 'auto' },
  ])
  t.same(multi.endpoints, [
    { workload: `nomad/${ports}/group-g-p-multi-dyn`, ports: { dyn: 24_085 } },
    { workload: `nomad/${ports}/group-g-p-multi-static`, ports: { static: 18_080 } },
  ])
})

t.test('an address can be an IP of any kind, and is used as it is registered', async t => {
  const { workload } = await recordedWorld()
  t.equal(workload('p-address').address, '198.51.100.7')
  t.equal(workload('p-address-meta').address, '203.0.113.1')
  t.equal(workload('p-host-network').address, '10.78.1.10')
})

t.test('an address can be a DNS name: it is left out and named as a problem', async t => {
  const { snapshot, problems } = await recordedWorld()
  t.notOk(snapshot.services.has('default/p-address-dns'))
  t.match(problems('p-address-dns'), ['is not an IP address'])
})

t.test('an address can be empty, and then it is that of the node', async t => {
  t.equal(recorded('service-p-literal')[0].Address, '')
  const { workload, service } = await recordedWorld()
  t.equal(workload('p-literal').address, '10.77.1.10')
  t.same(service('p-literal').endpoints[0]?.ports, { auto: 8125 })
})

t.test('a port can be 0: a workload that calls and is not called', async t => {
  const { snapshot, workload } = await recordedWorld()
  t.equal(workload('p-noport').address, '10.77.1.10')
  t.notOk(snapshot.services.has('default/p-noport'))
})

t.test('the port is the one of the host, even with a port inside, which is what callers use', async t => {
  const { service } = await recordedWorld()
  for (const name of ['p-dyn-to', 'p-dyn-host']) {
    t.same(service(name).endpoints[0]?.ports, { auto: 24_085 })
    t.same(service(name).ports, [{ name: 'auto', port: 9090, protocol: 'auto' }])
  }
  t.same(service('p-static').ports, [{ name: 'auto', port: 18_080, protocol: 'auto' }])
})

t.test('in bridge mode auto and host give the host, alloc the inside of the allocation', async t => {
  const { workload, service } = await recordedWorld()
  const place = (name: string) => `${workload(name).address}:${service(name).endpoints[0]?.ports.auto}`
  t.equal(place('br-auto'), '10.77.1.10:24389')
  t.equal(place('br-host'), '10.77.1.10:24389')
  t.equal(place('br-alloc'), '172.26.64.2:8080')
  t.equal(place('br-alloc-literal'), '172.26.64.2:9102')
})

const canaryId = 'f0736c90-7a44-dd26-b825-825478ddfc31'
const canaryState = {
  '/v1/services?namespace=*': [{ Namespace: 'default', Services: [{ ServiceName: 'api', Tags: [] }] }],
}

t.test('tags of a canary stand in for its tags, its meta too, and the label says that it is one', async t => {
  const { workload } = await recordedWorld({
    ...canaryState,
    '/v1/service/api': 'canary/service-api-canary',
    [`/v1/allocation/${canaryId}`]: 'canary/allocation-canary',
  })
  const { labels } = workload('api', canaryId)
  t.equal(labels['nomad.tag/canary'], 'true')
  t.equal(labels['nomad.tag/stable'], undefined)
  t.equal(labels.version, 'v2-canary')
  t.equal(labels.canary, 'true')
})

t.test('a promotion changes tags and labels, and neither the id nor anything else', async t => {
  const { workload: before } = await recordedWorld({
    ...canaryState,
    '/v1/service/api': 'canary/service-api-canary',
    [`/v1/allocation/${canaryId}`]: 'canary/allocation-canary',
  })
  const { workload: after } = await recordedWorld({
    ...canaryState,
    '/v1/service/api': 'canary/service-api-promoted',
    [`/v1/allocation/${canaryId}`]: 'canary/allocation-promoted',
  })
  const { labels, ...rest } = after('api', canaryId)
  const { labels: labelsBefore, ...restBefore } = before('api', canaryId)
  t.same(rest, restBefore)
  t.equal(labels['nomad.tag/stable'], 'true')
  t.equal(labels.version, 'v2')
  t.equal(labels.canary, undefined)
  t.not(labelsBefore, labels)
})

t.test('a service of a task says which one, and its blocks are found in the task', async t => {
  const { workload } = await recordedWorld()
  t.equal(workload('lc-proxy').labels.task, 'proxy')
  t.equal(workload('p-task').labels.task, 'sleep')
  t.equal(workload('lc-app').labels.task, undefined, 'one of the group that names a task for its checks')
})

t.test(
  'a registration whose allocation is not running yet is unhealthy: groups register before their tasks run',
  async t => {
    const pending = { ...recorded('allocation-web'), ClientStatus: 'pending', DeploymentStatus: null }
    const { workload } = await recordedWorld({ [`/v1/allocation/${webOnB}`]: pending })
    t.equal(workload('web', webOnB).health, 'unhealthy')
    t.match(workload('web', webOnB).healthReason, /"pending", not running/)
  },
)

t.test('names are unique in their namespace only, which is the one of the mesh', async t => {
  const { workload, snapshot } = await recordedWorld()
  t.equal(workload('web', '', 'payments').labels.namespace, 'payments')
  t.ok(snapshot.services.has('payments/web') && snapshot.services.has('default/web'))
  t.equal(snapshot.services.get('default/web')?.endpoints.length, 2)
})

t.test('the order in which Nomad lists names says nothing', async t => {
  const { snapshot } = await recordedWorld()
  const names = recorded('services-all-namespaces')
  const turned = names
    .map((one: { Services: object[] }) => ({ ...one, Services: one.Services.toReversed() }))
    .toReversed()
  const { snapshot: again } = await recordedWorld({ '/v1/services?namespace=*': turned })
  t.same([...again.services.entries()], [...snapshot.services.entries()])
  t.same([...again.workloads.entries()], [...snapshot.workloads.entries()])
})

t.test('namespaces that come together make one service of those of one name', async t => {
  const { snapshot } = await recordedWorld({}, { namespaces: ['payments=shop', '*=shop'] })
  t.equal(snapshot.services.get('shop/web')?.endpoints.length, 3)
  t.notOk(snapshot.services.has('default/web'))
})

t.test('a batch allocation is a workload while it runs', async t => {
  const { workload, snapshot } = await recordedWorld()
  t.equal(workload('report-metrics').labels['nomad.tag/batch'], 'true')
  t.notOk(snapshot.services.has('default/report-short'))
})

t.test('identities are nobody, the service, or the job', async t => {
  const none = await recordedWorld()
  t.equal(none.workload('web-admin', webOnB).serviceAccount, undefined)
  const byService = await recordedWorld({}, { serviceAccounts: 'service-name' })
  t.equal(byService.workload('web-admin', webOnB).serviceAccount, 'web-admin')
  const byJob = await recordedWorld({}, { serviceAccounts: 'job' })
  t.equal(byJob.workload('web-admin', webOnB).serviceAccount, 'web')
  t.equal(byJob.workload('ledger', '', 'payments').serviceAccount, 'ledger')
})
