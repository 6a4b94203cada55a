import t from 'tap'
import { createDnsEndpoints } from '../../../../agent/control/dns-endpoints.ts'
import type { Found } from '../../../../agent/dns/look-up.ts'
import type { AgentConfig, MeshServiceResource } from '../../../../mesh/model/agent-config.ts'
import { unknownLocality } from '../../../../mesh/model/locality.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { aConfig, anEndpoint, aService } from '../../../support/agent-config.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

interface Teardown {
  teardown(stop: () => unknown): unknown
}

/** A name server that says what the test says: addresses, or nothing, which is an error. */
function start(t: Teardown, zone: Record<string, readonly string[] | 'silent'>, ttlMs = 30_000) {
  const clock = new FakeClock()
  const log = recordedLog()
  const asked: string[] = []
  let changes = 0
  const endpoints = createDnsEndpoints({
    clock,
    log,
    random: () => 0.5,
    lookUp(name, signal): Promise<Found> {
      asked.push(name)
      const addresses = zone[name] ?? []
      if (addresses === 'silent') {
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('cancelled'))))
      }
      return addresses.length > 0 ? Promise.resolve({ addresses, ttlMs }) : Promise.reject(new Error('ENOTFOUND'))
    },
    changed: () => (changes += 1),
  })
  t.teardown(() => endpoints.stop())
  return { clock, log, asked, endpoints, zone, changes: () => changes }
}

const named = (name: string, weight = 1) => ({
  name,
  ports: { http: 8080 },
  weight,
  labels: { found: 'dns' },
  locality: unknownLocality,
})

function configOf(...services: readonly Partial<MeshServiceResource>[]): AgentConfig {
  return aConfig({
    services: services.map(values => aService({ external: true, endpoints: [], resolution: 'dns', ...values })),
  })
}

const one = configOf({ dnsEndpoints: [named('a.example')] })

function addressesOf(config: AgentConfig, service = 0) {
  return config.services[service]?.endpoints.map(({ address }) => address)
}

t.test('all addresses of a name are endpoints that share its weight, beside those listed', async t => {
  const { endpoints } = start(t, { 'a.example': ['10.0.0.2', '10.0.0.1'], 'b.example': ['10.0.0.3'] })
  const listed = anEndpoint({ id: 'static/x' })
  const config = configOf({ endpoints: [listed], dnsEndpoints: [named('a.example', 3), named('b.example')] })
  const [service] = (await endpoints.fill(config)).services
  t.equal(service?.endpoints[0], listed)
  t.same(service?.endpoints.slice(1), [
    {
      id: 'dns/a.example/10.0.0.1',
      address: '10.0.0.1',
      ports: { http: 8080 },
      workload: 'a.example',
      namespace: 'default',
      labels: { found: 'dns' },
      locality: unknownLocality,
      weight: 1.5,
      health: 'healthy',
    },
    { ...service?.endpoints[1], id: 'dns/a.example/10.0.0.2', address: '10.0.0.2' },
    { ...service?.endpoints[1], id: 'dns/b.example/10.0.0.3', address: '10.0.0.3', workload: 'b.example', weight: 1 },
  ])
})

t.test('a config without such names is handed on as it is, and nobody is asked', async t => {
  const { clock, endpoints, asked } = start(t, {})
  const config = aConfig({ services: [aService()] })
  t.equal(await endpoints.fill(config), config)
  t.same(asked, [])
  t.equal(clock.pending, 0)
})

t.test('with round robin one address stands for all, for as long as the name has it', async t => {
  const { clock, endpoints, zone, changes } = start(t, { 'a.example': ['10.0.0.2', '10.0.0.1'] })
  const config = configOf({ resolution: 'dns-round-robin', dnsEndpoints: [named('a.example', 3)] })
  const first = await endpoints.fill(config)
  t.same(addressesOf(first), ['10.0.0.2'])
  t.equal(first.services[0]?.endpoints[0]?.weight, 3)
  zone['a.example'] = ['10.0.0.9', '10.0.0.2']
  await clock.advance(31_000)
  t.equal(changes(), 0, 'an answer in another order changes nothing')
  zone['a.example'] = ['10.0.0.9', '10.0.0.1']
  await clock.advance(31_000)
  t.equal(changes(), 1)
  t.same(addressesOf(await endpoints.fill(config)), ['10.0.0.9'])
})

t.test('a name is asked for again when its answer has expired, but not more than every 5 seconds', async t => {
  for (const [ttlMs, everyMs] of [
    [30_000, 30_000],
    [0, 5_000],
    [7 * 86_400_000, 3_600_000],
  ] as const) {
    const { clock, endpoints, asked } = start(t, { 'a.example': ['10.0.0.1'] }, ttlMs)
    await endpoints.fill(one)
    t.equal(asked.length, 1)
    await clock.advance(everyMs - 1)
    t.equal(asked.length, 1)
    await clock.advance(1)
    t.equal(asked.length, 2)
  }
})

t.test('only an answer that says something else is announced, and many at once', async t => {
  const { clock, endpoints, zone, changes } = start(t, {
    'a.example': ['10.0.0.1', '10.0.0.2'],
    'b.example': ['10.0.0.3'],
  })
  const config = configOf({ dnsEndpoints: [named('a.example')] }, { name: 'b', dnsEndpoints: [named('b.example')] })
  await endpoints.fill(config)
  zone['a.example'] = ['10.0.0.2', '10.0.0.1']
  await clock.advance(31_000)
  t.equal(changes(), 0)
  zone['a.example'] = ['10.0.0.2']
  zone['b.example'] = ['10.0.0.4']
  await clock.advance(31_000)
  t.equal(changes(), 1)
  const filled = await endpoints.fill(config)
  t.same([addressesOf(filled, 0), addressesOf(filled, 1)], [['10.0.0.2'], ['10.0.0.4']])
})

t.test('while DNS fails the last good answer stays, it is asked every minute and complained about once', async t => {
  const { clock, log, endpoints, zone, asked, changes } = start(t, { 'a.example': ['10.0.0.1'] })
  await endpoints.fill(one)
  zone['a.example'] = []
  await clock.advance(30_000)
  t.equal(asked.length, 2)
  await clock.advance(59_999)
  t.equal(asked.length, 2)
  await clock.advance(1)
  t.equal(asked.length, 3)
  t.equal(changes(), 0)
  t.same(addressesOf(await endpoints.fill(one)), ['10.0.0.1'])
  t.match(log.lines, [{ level: 'warn', fields: { name: 'a.example', kept: 1, reason: 'ENOTFOUND' } }])
  t.equal(log.lines.length, 1)
  zone['a.example'] = ['10.0.0.2']
  await clock.advance(61_000)
  t.same(addressesOf(await endpoints.fill(one)), ['10.0.0.2'])
})

t.test('a name that was never answered is asked for more often, and does not hold the config up', async t => {
  const { clock, endpoints, zone, asked, changes } = start(t, { 'a.example': [], 'b.example': 'silent' })
  const config = configOf({ dnsEndpoints: [named('a.example'), named('b.example')] })
  const filling = endpoints.fill(config)
  await clock.advance(499)
  await clock.advance(1)
  t.same(addressesOf(await filling), [])
  zone['a.example'] = ['10.0.0.1']
  await clock.advance(5_000)
  t.ok(asked.filter(name => name === 'a.example').length >= 2)
  t.equal(changes(), 1)
  t.same(addressesOf(await endpoints.fill(config)), ['10.0.0.1'])
})

t.test('addresses where no endpoint can be are passed over', async t => {
  const bad = ['127.0.0.1', '0.0.0.0', '169.254.169.254', '240.240.3.4', 'fd77:6566:7400::9', '::1', 'fe80::1']
  const { endpoints, log, zone, clock } = start(t, { 'a.example': [...bad, '10.0.0.1'] })
  t.same(addressesOf(await endpoints.fill(one)), ['10.0.0.1'])
  zone['a.example'] = bad
  await clock.advance(31_000)
  t.same(addressesOf(await endpoints.fill(one)), ['10.0.0.1'])
  t.match(log.lines, [{ fields: { reason: /no address that an endpoint can have/ } }])
})

t.test('names that the config does not have any more are forgotten, and after a stop nobody is asked', async t => {
  const { clock, endpoints, asked } = start(t, { 'a.example': ['10.0.0.1'], 'b.example': ['10.0.0.2'] })
  await endpoints.fill(one)
  await endpoints.fill(configOf({ dnsEndpoints: [named('b.example')] }))
  await clock.advance(100_000)
  t.equal(asked.filter(name => name === 'a.example').length, 1)
  const before = asked.length
  endpoints.stop()
  await clock.advance(100_000)
  t.equal(asked.length, before)
  t.equal(clock.pending, 0)
})
