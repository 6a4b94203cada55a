import t from 'tap'
import { Deadline } from '../../../../../agent/dataplane/http1/deadline.ts'
import { FakeClock } from '../../../../fakes/clock.ts'

function aDeadline() {
  const clock = new FakeClock()
  let missed = 0
  const deadline = new Deadline(clock, 1000, () => {
    missed += 1
  })
  return { clock, deadline, missed: () => missed }
}

t.test('a deadline that is met again and again keeps one timer, and is missed exactly in time', async t => {
  const { clock, deadline, missed } = aDeadline()
  for (let turn = 0; turn < 5; turn += 1) {
    deadline.start()
    await clock.advance(300)
    deadline.start()
    deadline.meet()
    t.equal(clock.pending <= 1, true)
  }
  deadline.start()
  await clock.advance(999)
  t.equal(missed(), 0)
  await clock.advance(1)
  t.equal(missed(), 1)
  t.equal(clock.pending, 0)
  deadline.start()
  await clock.advance(1000)
  t.equal(missed(), 2, 'and again')
})

t.test('nothing is missed, and no timer left, once a deadline was met and its time is over', async t => {
  const { clock, deadline, missed } = aDeadline()
  deadline.start()
  deadline.meet()
  await clock.advance(5000)
  t.equal(missed(), 0)
  t.equal(clock.pending, 0)
  deadline.start()
  deadline.stop()
  t.equal(clock.pending, 0)
})
