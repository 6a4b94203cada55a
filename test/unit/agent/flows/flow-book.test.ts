import t from 'tap'
import { startFlowBook, type TakenFlows } from '../../../../agent/flows/flow-book.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { aFlow } from '../../../support/flows.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

function start(...taken: (TakenFlows | Error)[]) {
  const clock = new FakeClock()
  const log = recordedLog()
  const take = async () => {
    const next = taken.shift() ?? { flows: [], dropped: 0 }
    if (next instanceof Error) throw next
    return next
  }
  return { clock, log, book: startFlowBook({ clock, log, take }, 30_000) }
}

t.test('what threads have seen is told once, what is new of it the next time', async t => {
  const two = aFlow({ path: '/two' })
  const { clock, book } = start(
    { flows: [aFlow(), aFlow({ count: 2, lastSeen: 2_000 }), two], dropped: 0 },
    { flows: [aFlow({ count: 4, firstSeen: 3_000, lastSeen: 3_000 })], dropped: 0 },
  )
  const news: number[] = []
  book.changed.subscribe(at => void news.push(at))
  t.same(book.take(true), [], 'nothing is known before the threads were asked')
  await clock.advance(30_000)
  t.same(book.take(false), [aFlow({ count: 3, lastSeen: 2_000 }), two])
  t.same(book.take(false), [])
  await clock.advance(30_000)
  t.same(book.take(false), [aFlow({ count: 4, lastSeen: 3_000 })])
  t.same(
    book.take(true).map(({ path, count }) => [path, count]),
    [
      ['/', 0],
      ['/two', 0],
    ],
    'a server that has forgotten is told of all, and counts nothing twice',
  )
  await clock.advance(30_000)
  t.equal(news.length, 2, 'nothing new is no news')
  book.stop()
})

t.test('of too many those that were not seen for longest go, and what had no room is logged', async t => {
  const flows = Array.from({ length: 2_001 }, (_, at) => aFlow({ path: `/${at}`, lastSeen: 10_000 - at }))
  const { clock, log, book } = start({ flows, dropped: 7 })
  await clock.advance(30_000)
  const kept = new Set(book.take(true).map(({ path }) => path))
  t.equal(kept.size, 2_000)
  t.notOk(kept.has('/2000'))
  t.match(log.lines, [{ level: 'warn', fields: { dropped: 7 } }])
  book.stop()
})

t.test('a failure to ask does not end it, its end does', async t => {
  const { clock, book } = start(new Error('ended'), { flows: [aFlow()], dropped: 0 })
  await clock.advance(30_000)
  await clock.advance(30_000)
  t.equal(book.take(true).length, 1)
  book.stop()
  t.equal(clock.pending, 0)
})
