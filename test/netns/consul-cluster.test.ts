import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { until } from '../support/eventually.ts'
import { followConsul, type Server, servers, startCluster } from './consul-cluster.ts'
import { createWorld } from './world.ts'

// Three real servers with ACLs, and a client agent; the adapter is on a host of its own.
const world = await createWorld(t, { hosts: ['cp', 's1', 's2', 's3', 'client'] })
const { cp } = world.hosts
const cluster = await startCluster(world)

/** A hundred services of ten instances on fifty nodes, each with a check that passes. */
const services = 100
const instances = 1_000
const registrations = Array.from({ length: instances }, (_, number) => ({
  node: `vm-${number % 50}`,
  service: `svc-${Math.floor(number / 10)}`,
  id: `svc-${Math.floor(number / 10)}-${number % 10}`,
}))

async function registerAll(): Promise<void> {
  const nodes = Array.from({ length: 50 }, (_, number) => ({
    Node: { Verb: 'set', Node: { Node: `vm-${number}`, Address: `10.77.1.${number + 1}` } },
  }))
  const all = registrations.flatMap(({ node, service, id }) => [
    { Service: { Verb: 'set', Node: node, Service: { ID: id, Service: service, Port: 8080 } } },
    { Check: { Verb: 'set', Check: checkOf(node, service, id, 'passing') } },
  ])
  const operations = [...nodes, ...all]
  for (let at = 0; at < operations.length; at += 64) {
    await cluster.api('s1', 'PUT', '/txn', operations.slice(at, at + 64))
  }
}

const checkOf = (node: string, service: string, id: string, Status: string) => ({
  Node: node,
  CheckID: `service:${id}`,
  Name: 'http',
  ServiceID: id,
  ServiceName: service,
  Status,
  Output: Status === 'passing' ? '' : 'connection refused',
})

/** Marks one instance as sick, or as well, by a server that has a leader. */
async function mark(by: Server, number: number, Status: 'passing' | 'critical'): Promise<string> {
  const { node, service, id } = registrations[number]!
  const check = checkOf(node, service, id, Status)
  await until(
    'it is written',
    async () => {
      const written = await cluster
        .api(by, 'PUT', '/txn', [{ Check: { Verb: 'set', Check: check } }])
        .catch(() => undefined)
      return written !== undefined
    },
    40_000,
  )
  return `consul/${node}/${id} check "http" is critical: connection refused`
}

await registerAll()
await cluster.api('s1', 'PUT', '/acl/policy', {
  Name: 'weft',
  Rules: 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }',
})
const made = (await cluster.api('s1', 'PUT', '/acl/token', { Policies: [{ Name: 'weft' }] })) as { SecretID: string }
const tokenFile = join(world.directory, 'token')
writeFileSync(tokenFile, made.SecretID)

/** Follows the servers in this order. */
const follow = (t: Test, first: Server, stale = false) => {
  const order = [first, ...servers.filter(server => server !== first)]
  // To come back to a server sooner than after half a minute saves the tests their time.
  return followConsul(t, cp, { addresses: order.map(cluster.url), tokenFile, stale, pace: { avoidMs: 2_000 } })
}

t.test('a thousand instances are read, and one that falls sick is seen', async t => {
  const follower = follow(t, 's1')
  await follower.view(view => view.workloads === instances)
  await follower.fresh()
  t.equal(follower.views()[0]?.workloads, instances, 'the first view is whole')
  t.equal(follower.views()[0]?.services, services)
  const sick = await mark('s1', 500, 'critical')
  await follower.view(view => view.sick.join() === sick)
  await mark('s1', 500, 'passing')
  await follower.view(view => view.sick.length === 0)
})

for (const stale of [false, true]) {
  t.test(
    `a server that is killed: the next one is asked, and it again when it is back${stale ? ', stale' : ''}`,
    async t => {
      const follower = follow(t, 's1', stale)
      await follower.view(view => view.workloads === instances)
      await cluster.process('s1').kill('SIGKILL')
      const sick = await mark('s2', 7, 'critical')
      await follower.view(view => view.sick.join() === sick)
      await follower.fresh()
      cluster.start('s1')
      await cluster.leader()
      await until('s1 is asked again', () => lastAsked(follower) === cluster.url('s1'), 40_000)
      await mark('s1', 7, 'passing')
      await follower.view(view => view.sick.length === 0)
      neverEmptier(t, follower)
    },
  )
}

t.test('a leader that is cut off from the others: their new leader is believed, the old one never', async t => {
  const old = await cluster.leader()
  const follower = follow(t, old)
  await follower.view(view => view.workloads === instances)
  await cluster.cutOff(old, true)
  const others = servers.filter(server => server !== old)
  const now = await cluster.leader(others)
  const sick = await mark(now, 11, 'critical')
  await follower.view(view => view.sick.join() === sick)
  await follower.fresh()
  await cluster.cutOff(old, false)
  await cluster.leader()
  await until('the first one is asked again', () => lastAsked(follower) === cluster.url(old), 40_000)
  const view = follower.views().at(-1)
  t.same(view?.sick, [sick], 'and what it knew before is not')
  await mark(now, 11, 'passing')
  await follower.view(view => view.sick.length === 0)
  neverEmptier(t, follower)
})

t.test('a leader that hangs, with all its connections open', async t => {
  const old = await cluster.leader()
  const follower = follow(t, old)
  await follower.view(view => view.workloads === instances)
  process.kill(cluster.process(old).pid, 'SIGSTOP')
  try {
    const others = servers.filter(server => server !== old)
    const sick = await mark(await cluster.leader(others), 13, 'critical')
    await follower.view(view => view.sick.join() === sick)
    await follower.fresh()
  } finally {
    process.kill(cluster.process(old).pid, 'SIGCONT')
  }
  await cluster.leader()
  await mark(old, 13, 'passing')
  await follower.view(view => view.sick.length === 0)
  neverEmptier(t, follower)
})

t.test('a client agent goes on when the leader is killed', async t => {
  const follower = followConsul(t, cp, { address: cluster.url('client'), tokenFile })
  await follower.view(view => view.workloads === instances)
  const old = await cluster.leader()
  await cluster.process(old).kill('SIGKILL')
  const others = servers.filter(server => server !== old)
  const sick = await mark(await cluster.leader(others), 17, 'critical')
  await follower.view(view => view.sick.join() === sick)
  await follower.fresh()
  cluster.start(old)
  await cluster.leader()
  await mark(old, 17, 'passing')
  await follower.view(view => view.sick.length === 0)
  neverEmptier(t, follower)
})

type Following = ReturnType<typeof followConsul>

function neverEmptier(t: { ok(value: unknown, message: string): unknown }, follower: Following): void {
  t.ok(
    follower.views().every(view => view.workloads === instances && view.services === services),
    'every view had every instance',
  )
}

/** The server that the adapter has moved to last; undefined for none but the first. */
function lastAsked(follower: Following): string | undefined {
  return follower
    .lines()
    .flatMap(line => (line.kind === 'log' ? (line.to ?? []) : []))
    .at(-1)
}
