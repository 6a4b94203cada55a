import { equal } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Clock, systemClock } from '../../../../mesh/std/clock.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { createConsulClient } from '../../../../registry-adapters/consul/client.ts'
import { type ConsulOptions, checkOptions } from '../../../../registry-adapters/consul/options.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { FakeConsul } from '../../../fakes/consul.ts'
import { eventually } from '../../../support/eventually.ts'

const now = { kind: 'now', consistency: 'default' } as const
const services = { kind: 'services' } as const
const { signal } = new AbortController()

t.test('an answer has its body and its index, beyond what a double can hold too', async t => {
  const { fake, client } = await start(t)
  fake.fault = () => ({ kind: 'index', index: 2n ** 60n + 1n })
  t.same(await client.read(services, now, signal), { index: 2n ** 60n + 1n, body: { consul: [] } })
  fake.fault = () => ({ kind: 'index', index: Number.NaN })
  t.equal((await client.read(services, now, signal)).index, 0n)
})

t.test('a blocking read asks for the index and the wait, and outlives the limit of others', async t => {
  const clock = new FakeClock()
  const { fake, client } = await start(t, {}, clock)
  const reading = client.read(services, { kind: 'blocking', consistency: 'default', index: 99n }, signal)
  reading.catch(() => {})
  await eventually(() => equal(fake.requests[0]?.index, 99n))
  await clock.advance(60_000)
  fake.release()
  t.same((await reading).body, { consul: [] })
})

t.test('an answer that does not come is given up', async t => {
  const clock = new FakeClock()
  const { fake, client } = await start(t, {}, clock)
  fake.fault = () => ({ kind: 'hang' })
  const reading = client.read(services, now, signal)
  const refused = t.rejects(reading, { code: 'WEFT_REGISTRY_UNAVAILABLE', fields: { withinMs: 10_000 } })
  await eventually(() => equal(fake.open, 1))
  await clock.advance(10_000)
  await refused
  await eventually(() => equal(fake.open, 0, 'the request is cancelled at Consul too'))
})

t.test('an abort ends a read', async t => {
  const { fake, client } = await start(t)
  fake.fault = () => ({ kind: 'hang' })
  const controller = new AbortController()
  const reading = client.read(services, now, controller.signal)
  const rejected = t.rejects(reading)
  await eventually(() => equal(fake.open, 1))
  controller.abort()
  await rejected
  await t.rejects(client.read(services, now, controller.signal))
})

t.test('an answer larger than any catalogue is refused', async t => {
  const { fake, client } = await start(t)
  fake.fault = () => ({ kind: 'body', body: 'x'.repeat(65 * 1024 * 1024) })
  await t.rejects(client.read(services, now, signal), { cause: { message: /larger than/ } })
})

t.test('a kept connection that Consul has closed meanwhile is no failure', async t => {
  const { fake, client } = await start(t)
  for (let times = 0; times < 3; times += 1) {
    await client.read(services, now, signal)
    fake.cut()
    t.same((await client.read(services, now, signal)).body, { consul: [] })
  }
})

t.test('a token file that is replaced is noticed when the old token is refused', async t => {
  const { tokenFile, fake, client } = await startWithTokenFile(t)
  await t.rejects(client.read(services, now, signal), {
    code: 'WEFT_REGISTRY_UNAVAILABLE',
    fields: { file: tokenFile },
  })
  writeFileSync(tokenFile, ' \n')
  await t.rejects(client.read(services, now, signal), { message: 'the token file is empty' })
  writeFileSync(tokenFile, 'one\n')
  await client.read(services, now, signal)
  writeFileSync(tokenFile, 'two\n')
  await client.read(services, now, signal)
  fake.fault = ({ token }) => (token === 'one' ? { kind: 'status', status: 403, body: 'ACL not found' } : undefined)
  await client.read(services, now, signal)
  fake.fault = () => ({ kind: 'status', status: 403, body: 'ACL not found' })
  await t.rejects(client.read(services, now, signal), {
    code: 'WEFT_REGISTRY_UNAVAILABLE',
    fields: { status: 403, said: 'ACL not found' },
  })
  t.same(
    fake.requests.map(({ token }) => token),
    ['one', 'one', 'one', 'two', 'two'],
  )
})

t.test('a token file that is replaced is noticed without a failure too, after a while', async t => {
  const clock = new FakeClock()
  const { tokenFile, fake, client } = await startWithTokenFile(t, clock)
  writeFileSync(tokenFile, 'one\n')
  await client.read(services, now, signal)
  writeFileSync(tokenFile, 'two\n')
  await client.read(services, now, signal)
  await clock.advance(6_000)
  await client.read(services, now, signal)
  rmSync(tokenFile)
  await clock.advance(6_000)
  await client.read(services, now, signal)
  t.same(
    fake.requests.map(({ token }) => token),
    ['one', 'one', 'two', 'two'],
    'and kept while the file is away',
  )
})

t.test('an IPv6 address is connected to', async t => {
  const { client } = await start(t, {}, systemClock, '::1')
  t.same((await client.read(services, now, signal)).body, { consul: [] })
})

t.test('Consul’s word on when to come back is kept', async t => {
  const { fake, client } = await start(t)
  fake.fault = () => ({ kind: 'status', status: 429, retryAfterS: 7 })
  await t.rejects(client.read(services, now, signal), {
    code: 'WEFT_REGISTRY_UNAVAILABLE',
    fields: { status: 429, retryAfterMs: 7_000 },
  })
  fake.fault = () => ({ kind: 'status', status: 429, retryAfterS: 7_000 })
  await t.rejects(client.read(services, now, signal), {
    code: 'WEFT_REGISTRY_UNAVAILABLE',
    fields: { retryAfterMs: 60_000 },
  })
})

async function startWithTokenFile(t: Test, clock: Clock = systemClock) {
  const directory = mkdtempSync(join(tmpdir(), 'weft-consul-client-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const tokenFile = join(directory, 'token')
  return { tokenFile, ...(await start(t, { tokenFile }, clock)) }
}

async function start(t: Test, options: Partial<ConsulOptions> = {}, clock: Clock = systemClock, host = '127.0.0.1') {
  const fake = await FakeConsul.start(host)
  t.teardown(() => fake.stop())
  const deps = { clock, random: () => 0.5, log: silentLog, moved() {} }
  const client = createConsulClient(checkOptions({ address: fake.address, ...options }), deps)
  t.teardown(() => client.close())
  return { fake, client }
}
