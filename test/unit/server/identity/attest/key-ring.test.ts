import t from 'tap'
import { silentLog } from '../../../../../mesh/std/log.ts'
import { createKeyRing } from '../../../../../server/identity/attest/key-ring.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { createJwtIssuer } from '../../../../support/jwt-issuer.ts'

const token = { payload: '', signature: '' }
const unknown = { code: 'WEFT_EVIDENCE_REFUSED', message: 'token is signed by an unknown key' }

async function createWorld() {
  const clock = new FakeClock()
  const issuer = await createJwtIssuer()
  const world = { reads: 0, fails: false }
  const load = async () => {
    world.reads += 1
    if (world.fails) throw new Error('no answer')
    return issuer.jwks()
  }
  const ring = createKeyRing({ clock, log: silentLog, load })
  const key = (kid: string) => ring.key({ alg: 'RS256', kid }, token)
  return { clock, issuer, world, key }
}

t.test('a flood of tokens with keys that nobody knows makes nobody read more often than every ten seconds', async t => {
  const { clock, world, key } = await createWorld()
  for (let round = 1; round <= 3; round += 1) {
    const asked = Array.from({ length: 500 }, (_, at) => key(`unknown-${at}`))
    for (const one of await Promise.allSettled(asked)) t.match(one, { status: 'rejected', reason: unknown })
    t.equal(world.reads, round)
    t.ok(await key('key-1'), 'and good ones are known')
    await clock.advance(10_000)
  }
})

t.test('a new key is found as soon as it may be asked for', async t => {
  const { clock, issuer, key } = await createWorld()
  t.ok(await key('key-1'))
  await issuer.rotate()
  await t.rejects(Promise.resolve(key('key-2')), unknown)
  await clock.advance(10_000)
  t.ok(await key('key-2'))
  await t.rejects(Promise.resolve(key('key-1')), unknown, 'what is not published any more is gone')
})

t.test('without an answer the last keys stay, and before there are any nothing can be said', async t => {
  const { clock, world, key } = await createWorld()
  world.fails = true
  await t.rejects(Promise.resolve(key('key-1')), { code: 'WEFT_REGISTRY_UNAVAILABLE' })
  world.fails = false
  await clock.advance(10_000)
  t.ok(await key('key-1'))
  world.fails = true
  await clock.advance(3_600_000)
  t.ok(await key('key-1'))
})

t.test('keys are read again when they are old, though they are known', async t => {
  const { clock, issuer, world, key } = await createWorld()
  await key('key-1')
  await key('key-1')
  t.equal(world.reads, 1)
  await issuer.rotate()
  await clock.advance(601_000)
  await t.rejects(Promise.resolve(key('key-1')), unknown, 'taken back')
})

t.test('a secret key in the set is no key', async t => {
  const clock = new FakeClock()
  const load = async () => JSON.stringify({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'a', alg: 'HS256' }, 'x', null] })
  const ring = createKeyRing({ clock, log: silentLog, load })
  await t.rejects(Promise.resolve(ring.key({ alg: 'HS256', kid: 'a' }, token)), unknown)
})
