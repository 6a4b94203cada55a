import t, { type Test } from 'tap'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { createConsulAdapter } from '../../registry-adapters/consul/adapter.ts'
import { createConsulHealthWriter } from '../../registry-adapters/consul/health-writer.ts'
import { type ConsulStart, type RunningConsul, startConsul } from '../support/consul.ts'
import { quickPace, registrationOf } from '../support/consul-driver.ts'
import { eventually, until } from '../support/eventually.ts'
import { watchAdapter } from '../support/watch-adapter.ts'

const id = 'consul/consul-server/api-1'

t.test('what the mesh finds of an instance stands in Consul as a check of it', async t => {
  const consul = await start(t)
  const writer = write(t, consul)
  await consul.api('PUT', '/agent/service/register', { ID: 'api-1', Name: 'api', Port: 80 })
  writer.set(id, { healthy: true, reason: 'http 200' })
  await has(consul, 'api', ['weft:api-1', 'passing', ''])
  writer.set(id, { healthy: false, reason: 'connection refused' })
  await has(consul, 'api', ['weft:api-1', 'critical', 'connection refused'])

  await t.test('and is not read back as health of the registry', async t => {
    const deps = { name: 'consul', clock: systemClock, random: systemRandom, log: silentLog }
    const watched = watchAdapter(t, report =>
      createConsulAdapter({ ...deps, report }, { address: consul.address, pace: quickPace }),
    )
    const view = await watched.view(() => true)
    t.equal(view.workloads.get(id)?.health, 'healthy')
    t.equal(view.workloads.get(id)?.healthReason, undefined)
  })

  writer.set(id, { healthy: true, reason: 'http 200' })
  await has(consul, 'api', ['weft:api-1', 'passing', 'http 200'])
  writer.set(id, undefined)
  await has(consul, 'api', undefined)
})

t.test('a check that was lost is made again', async t => {
  const consul = await start(t)
  const writer = write(t, consul, { ttlMs: 1_000 })
  await consul.api('PUT', '/agent/service/register', { ID: 'api-1', Name: 'api', Port: 80 })
  writer.set(id, { healthy: true, reason: '' })
  await has(consul, 'api', ['weft:api-1', 'passing', ''])
  await consul.api('PUT', '/agent/check/deregister/weft:api-1')
  await has(consul, 'api', ['weft:api-1', 'passing', ''])
  await consul.api('PUT', '/agent/service/deregister/api-1')
  await until('it is gone', async () => ((await consul.api('GET', '/health/service/api')) as unknown[]).length === 0)
  await consul.api('PUT', '/agent/service/register', { ID: 'api-1', Name: 'api', Port: 80 })
  await has(consul, 'api', ['weft:api-1', 'passing', ''])
})

t.test('workloads of other nodes and registries are passed over', async t => {
  const consul = await start(t)
  const writer = write(t, consul)
  await consul.api('PUT', '/agent/service/register', { ID: 'api-1', Name: 'api', Port: 80 })
  await consul.api('PUT', '/agent/service/register', { ID: 'api-2', Name: 'api', Port: 81 })
  await consul.register(registrationOf({ id: 'web-1', service: 'web', address: '10.88.0.1', port: 80 }))
  writer.set('consul/node-web-1/web-1', { healthy: false, reason: 'x' })
  writer.set('other/consul-server/api-1', { healthy: false, reason: 'x' })
  writer.set('consul/consul-server/nobody', { healthy: false, reason: 'x' })
  writer.set('consul/consul-server/api-2', { healthy: false, reason: 'y' })
  await has(consul, 'api', ['weft:api-2', 'critical', 'y'])
  await has(consul, 'web', undefined)
})

t.test('the checks go with the writer, and their end is not a critical one', async t => {
  const consul = await start(t)
  const writer = write(t, consul)
  await consul.api('PUT', '/agent/service/register', { ID: 'api-1', Name: 'api', Port: 80 })
  writer.set(id, { healthy: true, reason: '' })
  await has(consul, 'api', ['weft:api-1', 'passing', ''])
  await writer.stop()
  t.same(await ownChecks(consul, 'api'), undefined)
})

t.test('with ACLs it needs to write the service and to read the agent, and nothing else', async t => {
  const master = 'b1gs33cr-0000-4000-8000-000000000001'
  const acl = { enabled: true, default_policy: 'deny', tokens: { master, agent: master } }
  const consul = await start(t, { config: { acl, primary_datacenter: 'dc1' }, token: master })
  await consul.api('PUT', '/agent/service/register', { ID: 'api-1', Name: 'api', Port: 80 })
  const Rules = 'service "api" { policy = "write" } agent "consul-server" { policy = "read" }'
  await consul.api('PUT', '/acl/policy', { Name: 'weft-health', Rules })
  const made = await consul.api('PUT', '/acl/token', { Policies: [{ Name: 'weft-health' }] })
  const { SecretID: token } = made as { SecretID: string }
  const warnings: unknown[] = []
  const refused = write(t, consul, {}, message => void warnings.push(message))
  refused.set(id, { healthy: false, reason: '' })
  await until('it is refused and says so', () => warnings.includes('health cannot be written to consul'))
  const writer = write(t, consul, { token })
  writer.set(id, { healthy: false, reason: 'refused' })
  await has(consul, 'api', ['weft:api-1', 'critical', 'refused'])
})

async function start(t: Test, options: ConsulStart = {}): Promise<RunningConsul> {
  const consul = await startConsul(options)
  t.teardown(() => consul.stop())
  return consul
}

function write(
  t: Test,
  consul: RunningConsul,
  options: { ttlMs?: number; token?: string } = {},
  warn: (message: string) => void = () => {},
) {
  const deps = { name: 'consul', clock: systemClock, random: systemRandom, log: { ...silentLog, warn } }
  const writer = createConsulHealthWriter(deps, { address: consul.address, pace: quickPace, ...options })
  t.teardown(() => writer.stop())
  return writer
}

type Check = readonly [id: string, status: string, output: string]

/** What stands in the catalogue, which the agent tells a moment later. */
async function ownChecks(consul: RunningConsul, service: string): Promise<Check | undefined> {
  const checks = (await consul.api('GET', `/health/checks/${service}`)) as Record<
    'CheckID' | 'Status' | 'Output',
    string
  >[]
  const [own] = checks.filter(check => check.CheckID.startsWith('weft:'))
  return own && [own.CheckID, own.Status, own.Output]
}

function has(consul: RunningConsul, service: string, expected: Check | undefined): Promise<void> {
  return eventually(async () => {
    const found = await ownChecks(consul, service)
    if (JSON.stringify(found) !== JSON.stringify(expected)) throw new Error(`it is ${JSON.stringify(found)}`)
  })
}
