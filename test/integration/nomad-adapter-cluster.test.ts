import t from 'tap'
import { until } from '../support/eventually.ts'
import { nomadWorld, runJob, workloadOf } from '../support/nomad-driver.ts'
import { endpointsOf } from '../support/watch-adapter.ts'

const longResync = { pace: { resyncMs: 600_000 } }

// Rights.

t.test('rights that are lost look empty and are a failure; what was shown stays', async t => {
  const { fake, watch } = await nomadWorld(t)
  const watched = watch({ pace: { resyncMs: 100 } })
  const before = await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  await watched.stands('fresh')
  fake.allows = () => false
  await watched.stands('failing', /may not read the services of a namespace.*default/)
  t.same(watched.views, [before])
  fake.allows = () => true
  await watched.stands('fresh')
})

t.test(
  'a namespace that the list of all leaves out is asked for by name before it is believed to be empty',
  async t => {
    const { fake, watch } = await nomadWorld(t)
    fake.cluster.runJob({
      id: 'ledger',
      namespace: 'payments',
      groups: [{ name: 'g', ports: { grpc: {} }, services: [{ name: 'ledger', port: 'grpc' }] }],
    })
    const watched = watch({ pace: { resyncMs: 100 } })
    await watched.view(view => endpointsOf(view, 'ledger')?.length === 1)
    const only = (namespace: string) =>
      ({ kind: 'body', body: [{ Namespace: namespace, Services: [{ ServiceName: 'api', Tags: [] }] }] }) as const
    fake.fault = ({ path, namespace }) => (path === '/v1/services' && namespace === '*' ? only('default') : undefined)
    await watched.stands('failing', /leaves out a namespace that has some.*payments/)
    fake.allows = ({ namespace }) => namespace !== 'payments'
    await watched.stands('failing', /may not read.*payments/)
    t.ok(watched.views.every(view => endpointsOf(view, 'ledger')?.length === 1))
    fake.allows = () => true
    fake.cluster.stopJob('ledger', 'payments')
    await watched.view(view => endpointsOf(view, 'ledger') === undefined)
    await watched.stands('fresh')
  },
)

t.test('a token that may read nothing from the start shows nothing, not an empty registry', async t => {
  const { fake, watch } = await nomadWorld(t)
  fake.allows = () => false
  const watched = watch({ client: { address: fake.address, limits: { firstHeartbeatMs: 50 } } })
  await watched.stands('failing', /may not|refuses the token/)
  t.same(watched.views, [])
  fake.allows = () => true
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  await watched.stands('fresh')
})

t.test('a token that may list services and not read allocations or nodes is a failure that says so', async t => {
  for (const path of ['/v1/allocations', '/v1/allocation/', '/v1/nodes']) {
    const { fake, watch } = await nomadWorld(t)
    fake.allows = request => !request.path.startsWith(path)
    const watched = watch()
    await watched.stands('failing', /refuses the token/)
    t.same(watched.views, [])
  }
})

t.test('a workload identity without a policy may read services by name and not all of them: a failure', async t => {
  const { fake, watch } = await nomadWorld(t)
  fake.allows = ({ parts, namespace }) => parts[1]?.startsWith('service') === true && namespace !== '*'
  const watched = watch({ client: { address: fake.address, limits: { firstHeartbeatMs: 50 } } })
  await watched.stands('failing', /refuses the token|leaves out a namespace/)
  t.same(watched.views, [])
})

t.test('a service is asked for in its own namespace: the star is no wildcard there', async t => {
  const { fake, watch } = await nomadWorld(t)
  fake.cluster.runJob({
    id: 'ledger',
    namespace: 'payments',
    groups: [{ name: 'g', ports: { grpc: {} }, services: [{ name: 'api', port: 'grpc' }] }],
  })
  const watched = watch()
  const view = await watched.view(view => view.services.size === 2)
  t.same([...view.services.keys()], ['default/api', 'payments/api'])
  const asked = fake.requests.filter(({ path }) => path === '/v1/service/api').map(({ namespace }) => namespace)
  t.same([...new Set(asked)].sort(), ['default', 'payments'])
})

t.test('only the namespaces that are named are read, each by its name', async t => {
  const { fake, watch } = await nomadWorld(t)
  fake.cluster.runJob({
    id: 'web',
    namespace: 'payments',
    groups: [{ name: 'g', ports: { http: {} }, services: [{ name: 'web', port: 'http' }] }],
  })
  fake.allows = ({ namespace, parts }) =>
    namespace === 'payments' || ['nodes', 'node', 'allocation'].includes(parts[1] ?? '')
  const watched = watch({ namespaces: ['payments=shop'] })
  const view = await watched.view(() => true)
  t.same([...view.services.keys()], ['shop/web'])
  runJob(fake, 'other')
  fake.cluster.runJob({
    id: 'late',
    namespace: 'payments',
    groups: [{ name: 'g', ports: { http: {} }, services: [{ name: 'late', port: 'http' }] }],
  })
  const later = await watched.view(view => view.services.has('shop/late'))
  t.same([...later.services.keys()], ['shop/late', 'shop/web'])
})

// Changes of jobs.

t.test('changed tags keep the workload, and what did not change is the same object', async t => {
  const { fake, watch } = await nomadWorld(t)
  runJob(fake, 'web')
  const watched = watch(longResync)
  const before = await watched.view(
    view => view.workloads.values().every(({ health }) => health === 'healthy') && view.workloads.size === 2,
  )
  runJob(fake, 'api', { tags: ['v2'] })
  const after = await watched.view(view => workloadOf(view, 'api')?.labels['nomad.tag/v2'] === 'true')
  t.equal(workloadOf(after, 'api')?.id, workloadOf(before, 'api')?.id)
  t.equal(workloadOf(after, 'web'), workloadOf(before, 'web'))
  t.equal(after.services, before.services, 'the whole table, as no service changed')
})

t.test('changed meta of an in-place update is seen, though neither tags nor registration change', async t => {
  const { fake, watch } = await nomadWorld(t)
  const watched = watch(longResync)
  await watched.view(view => workloadOf(view, 'api')?.health === 'healthy')
  runJob(fake, 'api', { meta: { weft_protocol: 'http', weft_port: '80', team: 'a' } })
  const view = await watched.view(view => workloadOf(view, 'api')?.labels.team === 'a')
  t.same(view.services.get('default/api')?.ports, [{ name: 'http', port: 80, protocol: 'http' }])
})

t.test('a canary is a workload with the label until it is promoted, and the same one after', async t => {
  const { fake, watch } = await nomadWorld(t)
  const watched = watch(longResync)
  const first = await watched.view(view => workloadOf(view, 'api')?.health === 'healthy')
  runJob(fake, 'api', { tags: ['stable'], canaryTags: ['canary'], canaryMeta: { version: '2' } }, { canary: 1 })
  const both = await watched.view(
    view => view.workloads.size === 2 && view.workloads.values().every(one => one.health === 'healthy'),
  )
  const canary = both.workloads.values().find(({ labels }) => labels.canary === 'true')
  t.equal(canary?.labels['nomad.tag/canary'], 'true')
  t.equal(canary?.labels.version, '2')
  t.ok(both.workloads.has(workloadOf(first, 'api')?.id ?? ''))
  fake.cluster.promote('api')
  const after = await watched.view(view => view.workloads.size === 1)
  await watched.view(view => workloadOf(view, 'api')?.labels['nomad.tag/stable'] === 'true')
  t.equal(workloadOf(after, 'api')?.id, canary?.id)
  t.equal(workloadOf(watched.views.at(-1) ?? after, 'api')?.labels.canary, undefined)
})

t.test('a task that restarts is deregistered, and registered again as the same workload', async t => {
  const { fake, watch } = await nomadWorld(t)
  const watched = watch(longResync)
  const before = await watched.view(view => workloadOf(view, 'api')?.health === 'healthy')
  const [allocation] = fake.cluster.allocations('api')
  if (allocation === undefined) throw new Error('no allocation')
  fake.cluster.deregister(allocation, 'ServiceDeregistration')
  await watched.view(view => workloadOf(view, 'api') === undefined)
  fake.cluster.register(allocation)
  const after = await watched.view(view => workloadOf(view, 'api') !== undefined)
  t.same(workloadOf(after, 'api'), workloadOf(before, 'api'))
})

t.test('a job that was purged and comes back with its first version again has its own words', async t => {
  const { fake, watch } = await nomadWorld(t)
  runJob(fake, 'web', { meta: { team: 'a' } })
  const watched = watch({ pace: { resyncMs: 150 } })
  await watched.view(view => workloadOf(view, 'web')?.labels.team === 'a')
  fake.cluster.stopJob('web')
  fake.state.jobs.delete('default/web')
  runJob(fake, 'web', { meta: { team: 'b' } })
  await watched.view(view => workloadOf(view, 'web')?.labels.team === 'b')
})

// Nodes.

t.test('a drain by itself changes nothing, and its end moves what ran there', async t => {
  const { fake, watch } = await nomadWorld(t)
  runJob(fake, 'web', {}, { on: ['client-a', 'client-b'], count: 2 })
  const watched = watch(longResync)
  await watched.view(
    view => endpointsOf(view, 'web')?.length === 2 && view.workloads.values().every(one => one.health === 'healthy'),
  )
  const views = watched.views.length
  fake.nodes.beginDrain('client-b')
  const node = fake.cluster.node('client-b')
  t.equal(node.SchedulingEligibility, 'ineligible')
  fake.nodes.finishDrain('client-b')
  await watched.view(view => endpointsOf(view, 'web')?.every(place => place.startsWith('10.77.1.10')) === true)
  await watched.view(view => endpointsOf(view, 'web')?.length === 2)
  t.ok(watched.views.slice(views).every(view => (endpointsOf(view, 'web')?.length ?? 0) >= 1))
})

t.test('an allocation whose turn in a drain has come is draining while it is still registered', async t => {
  const { fake, watch } = await nomadWorld(t)
  const watched = watch(longResync)
  await watched.view(view => workloadOf(view, 'api')?.health === 'healthy')
  const [allocation] = fake.cluster.allocations('api')
  if (allocation === undefined) throw new Error('no allocation')
  fake.state.commit(entry => {
    entry.putAllocation({ ...allocation, DesiredTransition: { Migrate: true } }, 'AllocationUpdateDesiredStatus')
  })
  const view = await watched.view(view => workloadOf(view, 'api')?.health === 'draining')
  t.equal(endpointsOf(view, 'api')?.length, 1)
})

t.test('registrations that a returned node puts back for lost allocations are never healthy', async t => {
  const { fake, watch } = await nomadWorld(t)
  runJob(fake, 'web', {}, { on: ['client-b'] })
  const watched = watch(longResync)
  await watched.view(view => workloadOf(view, 'web')?.health === 'healthy')
  fake.nodes.lose('client-b')
  await watched.view(view => workloadOf(view, 'web') === undefined)
  const views = watched.views.length
  fake.nodes.comeBack('client-b')
  const back = await watched.view(view => workloadOf(view, 'web') !== undefined)
  t.match(workloadOf(back, 'web'), { health: 'draining', healthReason: /to stop/ })
  fake.nodes.settle('client-b')
  const after = await watched.view(view => workloadOf(view, 'web')?.health === 'healthy')
  t.not(workloadOf(after, 'web')?.id, workloadOf(back, 'web')?.id)
  const ghosts = watched.views
    .slice(views)
    .flatMap(view => [...view.workloads.values()].filter(one => one.id === workloadOf(back, 'web')?.id))
  t.ok(ghosts.every(({ health }) => health === 'draining'))
})

t.test(
  'a disconnected node keeps its registrations, with the reason, and they are the same when it is back',
  async t => {
    const { fake, watch } = await nomadWorld(t)
    runJob(fake, 'web', {}, { on: ['client-b'], disconnect: true })
    const watched = watch(longResync)
    const before = await watched.view(view => workloadOf(view, 'web')?.health === 'healthy')
    fake.nodes.lose('client-b')
    const lost = await watched.view(view => workloadOf(view, 'web')?.healthReason !== undefined)
    t.match(workloadOf(lost, 'web'), { health: 'healthy', healthReason: /"client-b" is disconnected/ })
    fake.nodes.return('client-b')
    const after = await watched.view(view => workloadOf(view, 'web')?.healthReason === undefined)
    t.same(workloadOf(after, 'web'), workloadOf(before, 'web'))
  },
)

t.test('a second node of one name takes both out by name, until one of them has another', async t => {
  const { fake, watch } = await nomadWorld(t)
  const watched = watch(longResync)
  await watched.view(view => endpointsOf(view, 'api')?.length === 1)
  fake.cluster.addNode({ name: 'client-a', address: '10.77.9.10' })
  const clash = await watched.view(view => view.problems.length === 1)
  t.match(clash.problems[0]?.reason, /are both called "client-a": set weft-node/)
  t.equal(clash.workloads.size, 0)
  const [, second] = [...fake.state.nodes.values()].filter(({ Name }) => Name === 'client-a')
  if (second === undefined) throw new Error('no second node')
  fake.state.commit(entry => entry.putNode({ ...second, Meta: { weft_node: 'other' } }, 'NodeRegistration'))
  const cured = await watched.view(view => view.problems.length === 0)
  t.equal(workloadOf(cured, 'api')?.node, 'client-a')
})

// Checks.

const checked = { checks: [{ name: 'alive' }, { name: 'ready', onUpdate: 'ignore' as const }] }

t.test('the first view already knows which instances fail their checks', async t => {
  const { fake, watch } = await nomadWorld(t)
  runJob(fake, 'web', checked)
  fake.cluster.setCheck('web', 'alive', 'failure', 'connection refused')
  const watched = watch({ checkPeriodSeconds: 1 })
  const first = await watched.view(() => true)
  t.match(workloadOf(first, 'web'), { health: 'unhealthy', healthReason: 'check "alive" failed: connection refused' })
  t.equal(watched.views.length, 1)
})

t.test('a check that fails later is found without any event, readiness too, and so is its end', async t => {
  const { fake, watch } = await nomadWorld(t)
  runJob(fake, 'web', checked)
  const watched = watch({ ...longResync, checkPeriodSeconds: 1 })
  await watched.view(view => workloadOf(view, 'web')?.health === 'healthy')
  fake.cluster.setCheck('web', 'ready', 'failure', 'warming up')
  await watched.view(view => workloadOf(view, 'web')?.healthReason === 'check "ready" failed: warming up')
  fake.cluster.setCheck('web', 'ready', 'success')
  await watched.view(view => workloadOf(view, 'web')?.health === 'healthy')
})

t.test(
  'only allocations with checks are asked for them, and Nomad failing to give them is logged once a node',
  async t => {
    const { fake, watch, log } = await nomadWorld(t)
    runJob(fake, 'web', checked)
    runJob(fake, 'db', checked)
    const isChecks = ({ path }: { path: string }) => path.endsWith('/checks')
    fake.fault = request => (isChecks(request) ? { kind: 'status', status: 500, body: 'rpc error: EOF' } : undefined)
    const watched = watch({ checkPeriodSeconds: 1 })
    const first = await watched.view(() => true)
    t.equal(workloadOf(first, 'web')?.health, 'healthy', 'as its allocation is')
    await watched.stands('fresh')
    await until('each is tried twice', () => fake.requests.filter(isChecks).length >= 4)
    const about = () => log.lines.filter(({ message }) => message.includes('checks of a node'))
    t.equal(about().length, 1)
    const [api] = fake.cluster.allocations('api')
    t.notOk(fake.requests.some(({ path }) => path === `/v1/allocation/${api?.ID}/checks`))
    fake.fault = () => undefined
    await until('it is said', () => about().length === 2)
  },
)

// Size.

t.test('three hundred services are read with few open queries, and a change costs its service', async t => {
  const { fake, watch } = await nomadWorld(t)
  for (let count = 0; count < 300; count += 1) runJob(fake, `s${count}`)
  const watched = watch({ ...longResync, maxOpenQueries: 8 })
  const first = await watched.view(() => true)
  t.equal(first.services.size, 301, 'the first view is whole')
  t.ok(fake.mostOpen <= 9, `${fake.mostOpen} open at once, the stream among them`)
  const from = fake.requests.length
  runJob(fake, 's7', { tags: ['v2'] })
  const second = await watched.view(view => workloadOf(view, 's7')?.labels['nomad.tag/v2'] === 'true')
  const reads = new Set(fake.requests.slice(from).map(({ path }) => path))
  const [allocation] = fake.cluster.allocations('s7')
  for (const path of reads) t.ok([`/v1/service/s7`, `/v1/allocation/${allocation?.ID}`].includes(path), path)
  const changed = [...second.workloads.entries()].filter(([id, one]) => first.workloads.get(id) !== one)
  t.same(
    changed.map(([id]) => id),
    [workloadOf(second, 's7')?.id],
  )
})

t.test('a complete read that fails now and then goes on where it was, instead of never being through', async t => {
  const { fake, watch } = await nomadWorld(t)
  for (let count = 0; count < 60; count += 1) runJob(fake, `s${count}`)
  const reads = () => fake.requests.filter(({ parts }) => parts[1] === 'allocation').length
  fake.fault = ({ parts }) => {
    return parts[1] === 'allocation' && reads() % 15 === 0 ? { kind: 'status', status: 500, body: 'sick' } : undefined
  }
  const watched = watch(longResync)
  const view = await watched.view(() => true)
  t.equal(view.workloads.size, 61)
  await watched.stands('fresh')
})
