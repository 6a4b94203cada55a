import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { describeError } from '../../../../../mesh/std/errors.ts'
import { createNomadClient } from '../../../../../registry-adapters/nomad/client/client.ts'
import { failureOf } from '../../../../../registry-adapters/nomad/client/errors.ts'
import type { NomadOptions } from '../../../../../registry-adapters/nomad/client/options.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { FakeNomad } from '../../../../fakes/nomad.ts'

const { signal } = new AbortController()

t.test('the token goes with every request and into no error', async t => {
  const { fake, client } = await start(t, { token: 'sesame' })
  await client.get('/v1/services', {}, signal)
  fake.fault = () => ({ kind: 'status', status: 403, body: 'Permission denied' })
  const error = await client.get('/v1/services', {}, signal).catch(each => each)
  t.same(
    fake.requests.map(one => one.token),
    ['sesame', 'sesame'],
  )
  t.notMatch(JSON.stringify(error.fields) + describeError(error), /sesame/)
})

t.test('without a token none is sent', async t => {
  const { fake, client } = await start(t, {})
  await client.get('/v1/services', {}, signal)
  t.equal(fake.requests[0]?.token, undefined)
})

t.test('a replaced token file is used by the first request after a refusal', async t => {
  const file = fileIn(t, 'token', 'old\n')
  const { fake, client } = await start(t, { tokenFile: file })
  fake.fault = ({ token }) => (token === 'new' ? undefined : { kind: 'status', status: 403 })
  t.equal(failureOf(await client.get('/v1/services', {}, signal).catch(error => error)), 'denied')
  writeFileSync(file, ' new\n')
  await client.get('/v1/services', {}, signal)
  t.same(
    fake.requests.map(one => one.token),
    ['old', 'new'],
  )
})

t.test('a replaced token file is used within a minute though nothing failed', async t => {
  const file = fileIn(t, 'token', 'old')
  const { fake, client, clock } = await start(t, { tokenFile: file })
  await client.get('/v1/services', {}, signal)
  writeFileSync(file, 'new')
  await client.get('/v1/services', {}, signal)
  await clock.advance(60_000)
  await client.get('/v1/services', {}, signal)
  t.same(
    fake.requests.map(one => one.token),
    ['old', 'old', 'new'],
  )
})

t.test('what is not found is no reason to doubt the token', async t => {
  const file = fileIn(t, 'token', 'old')
  const { fake, client } = await start(t, { tokenFile: file })
  t.equal(failureOf(await client.get('/v1/node/x', {}, signal).catch(error => error)), 'not-found')
  writeFileSync(file, 'new')
  await client.get('/v1/services', {}, signal)
  t.same(
    fake.requests.map(one => one.token),
    ['old', 'old'],
  )
})

t.test('a file that is gone for a moment takes nothing away from a token that works', async t => {
  const file = fileIn(t, 'token', 'old')
  const { fake, client, clock } = await start(t, { tokenFile: file })
  await client.get('/v1/services', {}, signal)
  rmSync(file)
  await clock.advance(60_000)
  await client.get('/v1/services', {}, signal)
  t.same(
    fake.requests.map(one => one.token),
    ['old', 'old'],
  )
  fake.fault = () => ({ kind: 'status', status: 403 })
  t.equal(failureOf(await client.get('/v1/services', {}, signal).catch(error => error)), 'denied')
  const error = await client.get('/v1/services', {}, signal).catch(each => each)
  t.match(error, { fields: { failure: 'credentials', file } }, 'but once it is refused, the file is what is wrong')
})

t.test('a token file that is missing or empty at the start is named', async t => {
  const missing = await start(t, { tokenFile: '/nowhere/token' })
  const error = await missing.client.get('/v1/services', {}, signal).catch(each => each)
  t.match(error, { code: 'WEFT_REGISTRY_UNAVAILABLE', fields: { failure: 'credentials', file: '/nowhere/token' } })
  const file = fileIn(t, 'token', ' \n')
  const empty = await start(t, { tokenFile: file })
  t.match(await empty.client.get('/v1/services', {}, signal).catch(each => each), {
    fields: { failure: 'credentials', file },
  })
  t.same([missing.fake.requests, empty.fake.requests], [[], []])
})

t.test('an event stream carries the token, and its refusal makes it doubtful', async t => {
  const file = fileIn(t, 'token', 'old')
  const { fake, client } = await start(t, { tokenFile: file })
  fake.fault = () => ({ kind: 'status', status: 403 })
  const events = client.events({ topics: ['Service'], namespace: '*' }, signal)
  const refused = await events[Symbol.asyncIterator]()
    .next()
    .catch(error => error)
  t.equal(failureOf(refused), 'denied')
  writeFileSync(file, 'new')
  fake.fault = () => undefined
  await client.get('/v1/services', {}, signal)
  t.same(
    fake.requests.map(one => one.token),
    ['old', 'new'],
  )
})

async function start(t: Test, options: Partial<NomadOptions>) {
  const clock = new FakeClock()
  const fake = await FakeNomad.start()
  const client = createNomadClient({ address: fake.address, ...options }, { clock })
  t.teardown(async () => {
    client.close()
    await fake.stop()
  })
  return { fake, client, clock }
}

function fileIn(t: Test, name: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-nomad-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}
