import t from 'tap'
import { SilenceWatch, silentPeerCode } from '../../../../../agent/dataplane/hbone/silence.ts'
import { FakeClock } from '../../../../fakes/clock.ts'

/** A session with requests that wait, as the looks they have seen. */
function setup() {
  const clock = new FakeClock()
  const session = {
    bytesHeard: 0,
    asked: 0,
    waiting: [] as number[],
    givenUp: [] as { code: number; reason: string }[],
    ask() {
      session.asked += 1
    },
    lookAtUnanswered() {
      session.waiting = session.waiting.map(looks => looks + 1)
      return Math.max(0, ...session.waiting)
    },
    giveUpUnanswered(looks: number, code: number, reason: string) {
      for (const waited of session.waiting) if (waited >= looks) session.givenUp.push({ code, reason })
      session.waiting = session.waiting.filter(waited => waited < looks)
    },
  }
  let retired = 0
  const watch = new SilenceWatch(clock, session, () => {
    retired += 1
  })
  const send = () => {
    session.waiting.push(0)
    watch.sent()
  }
  return { clock, session, watch, send, retired: () => retired }
}

t.test('one timer, however many requests wait, and none when none does', async t => {
  const { clock, session, send } = setup()
  for (let count = 0; count < 5; count += 1) send()
  t.equal(clock.pending, 1)
  session.waiting = []
  await clock.advance(500)
  t.equal(clock.pending, 0)
  t.equal(session.asked, 0)
})

t.test('a peer that shows no sign of life when asked is given up after three seconds', async t => {
  const { clock, session, send, retired } = setup()
  send()
  await clock.advance(1_999)
  t.equal(session.asked, 0)
  await clock.advance(1)
  t.equal(session.asked, 1)
  await clock.advance(1_000)
  send()
  await clock.advance(499)
  t.strictSame(session.givenUp, [])
  await clock.advance(1)
  t.strictSame(session.givenUp, [{ code: silentPeerCode, reason: 'the peer has been silent for 3 s' }])
  t.equal(retired(), 1)
  t.equal(session.waiting.length, 1, 'the younger one still has its time')
  await clock.advance(3_000)
  t.equal(session.givenUp.length, 2)
  await clock.advance(1_000)
  t.equal(clock.pending, 0)
})

t.test('a peer that answers the question may take as long as it likes', async t => {
  const { clock, session, send } = setup()
  send()
  for (let round = 0; round < 60; round += 1) {
    const before = session.asked
    await clock.advance(500)
    if (session.asked > before) session.bytesHeard += 17
  }
  t.strictSame(session.givenUp, [])
  t.ok(session.asked > 10)
})

t.test('a peer that is heard anyway is not asked', async t => {
  const { clock, session, send } = setup()
  send()
  for (let round = 0; round < 20; round += 1) {
    session.bytesHeard += 100
    await clock.advance(500)
  }
  t.equal(session.asked, 0)
})

t.test('stops with its session', async t => {
  const { clock, watch, send } = setup()
  send()
  watch.stop()
  t.equal(clock.pending, 0)
})
