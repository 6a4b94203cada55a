import t from 'tap'
import { Keepalive, type KeepaliveOptions } from '../../../../../agent/dataplane/h2/keepalive.ts'
import { FakeClock } from '../../../../fakes/clock.ts'

function setup(options: Partial<KeepaliveOptions> = {}) {
  const clock = new FakeClock()
  const host = {
    openStreams: 1,
    writing: false,
    pings: 0,
    destroyed: [] as string[],
    ping() {
      host.pings += 1
    },
    destroy(reason: string) {
      host.destroyed.push(reason)
    },
  }
  const keepalive = new Keepalive(host, clock, { intervalMs: 10_000, timeoutMs: 20_000, whenIdle: false, ...options })
  return { clock, host, keepalive }
}

t.test('asks after an interval of silence and gives up when nothing comes', async t => {
  const { clock, host } = setup()
  await clock.advance(9_999)
  t.equal(host.pings, 0)
  await clock.advance(1)
  t.equal(host.pings, 1)
  await clock.advance(19_999)
  t.strictSame(host.destroyed, [])
  await clock.advance(1)
  t.strictSame(host.destroyed, ['the peer does not answer'])
  t.equal(clock.pending, 0)
})

t.test('does not ask a peer that is heard', async t => {
  const { clock, host, keepalive } = setup()
  for (let second = 0; second < 100; second += 5) {
    keepalive.heard()
    await clock.advance(5_000)
  }
  t.equal(host.pings, 0)
})

t.test('takes any sign of life for the answer', async t => {
  const { clock, host, keepalive } = setup()
  await clock.advance(25_000)
  t.equal(host.pings, 1)
  keepalive.heard()
  await clock.advance(20_000)
  t.strictSame(host.destroyed, [])
})

t.test('takes it for a sign of life when a stuck write goes through, but not when its own question does', async t => {
  const stuck = setup()
  stuck.host.writing = true
  for (let round = 0; round < 8; round += 1) {
    await stuck.clock.advance(10_000)
    stuck.keepalive.written()
  }
  t.strictSame(stuck.host.destroyed, [])
  const dead = setup()
  for (let round = 0; round < 3; round += 1) {
    await dead.clock.advance(10_000)
    dead.keepalive.written()
  }
  t.equal(dead.host.destroyed.length, 1)
})

t.test('leaves an idle connection alone, unless told otherwise', async t => {
  const quiet = setup()
  quiet.host.openStreams = 0
  await quiet.clock.advance(100_000)
  t.equal(quiet.host.pings, 0)
  const eager = setup({ whenIdle: true })
  eager.host.openStreams = 0
  await eager.clock.advance(10_000)
  t.equal(eager.host.pings, 1)
})

t.test('stops', async t => {
  const { clock, keepalive } = setup()
  keepalive.stop()
  t.equal(clock.pending, 0)
})
