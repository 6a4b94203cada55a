import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { silentLog } from '../../../../mesh/std/log.ts'
import type { Write } from '../../../../registry-adapters/consul/connection.ts'
import { loginToken } from '../../../../registry-adapters/consul/login.ts'
import { defaultPace } from '../../../../registry-adapters/consul/options.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { until } from '../../../support/eventually.ts'

const { signal } = new AbortController()

t.test('one login serves all requests', async t => {
  const { tokens, sent } = start(t)
  const all = await Promise.all([1, 2, 3].map(() => tokens.current(signal)))
  t.same(all, ['secret-1', 'secret-1', 'secret-1'])
  t.same(sent, ['login jwt-1'])
})

t.test('a token is renewed when most of its life is over, and the old one given back', async t => {
  const { tokens, clock, sent } = start(t, { lifeMs: 100_000 })
  await tokens.current(signal)
  await clock.advance(60_000)
  t.equal(await tokens.current(signal), 'secret-1')
  await clock.advance(15_000)
  t.equal(await tokens.current(signal), 'secret-2')
  t.same(sent, ['login jwt-1', 'login jwt-1', 'logout secret-1'])
})

t.test('a token without an end is kept', async t => {
  const { tokens, clock } = start(t)
  await tokens.current(signal)
  await clock.advance(30 * 24 * 3_600_000)
  t.equal(await tokens.current(signal), 'secret-1')
})

t.test('another bearer token in the file makes another login', async t => {
  const { tokens, clock, file, sent } = start(t)
  await tokens.current(signal)
  writeFileSync(file, 'jwt-2\n')
  await clock.advance(6_000)
  t.equal(await tokens.current(signal), 'secret-2')
  t.same(sent, ['login jwt-1', 'login jwt-2', 'logout secret-1'])
})

t.test('a token that cannot be renewed is used to its end', async t => {
  const { tokens, clock, fail, warnings } = start(t, { lifeMs: 100_000 })
  await tokens.current(signal)
  fail(true)
  await clock.advance(90_000)
  t.equal(await tokens.current(signal), 'secret-1')
  t.same(warnings, ['the token of consul cannot be renewed'])
  await clock.advance(11_000)
  await t.rejects(tokens.current(signal), /no consul/)
  fail(false)
  await clock.advance(6_000)
  t.equal(await tokens.current(signal), 'secret-2')
})

t.test('a refused token is replaced, but not one that was obtained a moment ago', async t => {
  const { tokens, clock } = start(t)
  await tokens.current(signal)
  t.notOk(await tokens.refused('secret-1'))
  await clock.advance(defaultPace.backoffCapMs)
  t.ok(await tokens.refused('secret-1'))
  t.equal(await tokens.current(signal), 'secret-2')
  t.ok(await tokens.refused('secret-1'), 'who still has the old one asks again with the new one')
})

t.test('an answer of another shape is refused by name', async t => {
  const { tokens } = start(t, { body: [] })
  await t.rejects(tokens.current(signal), { code: 'WEFT_REGISTRY_UNAVAILABLE', message: /another shape/ })
})

t.test('the token is given back at the end, and a Consul that does not answer holds nobody up', async t => {
  const { tokens, clock, hang, sent } = start(t)
  await tokens.current(signal)
  hang()
  const closed = tokens.close()
  await until('it says good-bye', () => sent.includes('logout secret-1'))
  await clock.advance(3_000)
  await closed
  t.equal(clock.pending, 0)
})

interface Fixture {
  readonly lifeMs?: number
  readonly body?: unknown
}

function start(t: Test, { lifeMs, body }: Fixture = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'weft-consul-login-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'jwt')
  writeFileSync(file, 'jwt-1\n')
  const clock = new FakeClock()
  const sent: string[] = []
  const warnings: string[] = []
  let failing = false
  let hanging = false
  let logins = 0
  const send = async (write: Write, token: string | undefined, aborted: AbortSignal) => {
    const { BearerToken: bearer = '' } = (write.body ?? {}) as { BearerToken?: string }
    sent.push(write.path === '/acl/login' ? `login ${bearer}` : `logout ${token}`)
    if (hanging) await new Promise((_, reject) => aborted.addEventListener('abort', () => reject(new Error('aborted'))))
    if (failing) throw new Error('no consul')
    logins += write.path === '/acl/login' ? 1 : 0
    const ends = lifeMs === undefined ? {} : { ExpirationTime: new Date(clock.now() + lifeMs).toISOString() }
    return { index: 0n, body: body ?? { SecretID: `secret-${logins}`, AccessorID: 'x', ...ends } }
  }
  const tokens = loginToken(
    { method: 'weft', bearerTokenFile: file },
    {
      clock,
      random: () => 0.5,
      log: { ...silentLog, warn: message => void warnings.push(message) },
      pace: defaultPace,
      send,
    },
  )
  return {
    tokens,
    clock,
    file,
    sent,
    warnings,
    fail(now: boolean) {
      failing = now
    },
    hang() {
      hanging = true
    },
  }
}
