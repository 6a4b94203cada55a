import t from 'tap'
import { LiveStream, type StreamHost } from '../../../../../agent/dataplane/h2/live-stream.ts'
import { OpenStreams } from '../../../../../agent/dataplane/h2/open-streams.ts'

const host: StreamHost = {
  sendHeaders() {},
  send: () => true,
  endSending() {},
  giveBack() {},
  resetLocally() {},
}
const stream = (id: number) => new LiveStream(host, id, 0, 0)

t.test('streams are found by their ids, however many are open and in whatever order they go', async t => {
  const open = new OpenStreams()
  const streams = Array.from({ length: 300 }, (_, at) => stream(1 + 2 * at))
  for (const one of streams) open.add(one)
  t.equal(open.size, 300)
  t.ok(streams.every(one => open.get(one.id) === one))
  t.equal(open.get(601), undefined)
  t.strictSame(
    open.all().map(({ id }) => id),
    streams.map(({ id }) => id),
    'oldest first',
  )
  const [gone, left] = [streams.filter(({ id }) => id % 3 === 0), streams.filter(({ id }) => id % 3 !== 0)]
  for (const one of gone.toReversed()) open.delete(one)
  t.equal(open.size, left.length)
  t.ok(gone.every(({ id }) => open.get(id) === undefined))
  t.ok(left.every(one => open.get(one.id) === one))
})

t.test('a stream that was taken out points at no other', async t => {
  const open = new OpenStreams()
  // the same chain, so each has a next one
  const streams = [1, 33, 65].map(stream)
  for (const one of streams) open.add(one)
  for (const one of [1, 2, 0]) open.delete(streams[one] ?? stream(0))
  t.equal(open.size, 0)
  t.ok(streams.every(({ nextOpen }) => nextOpen === undefined))
  open.delete(streams[0] ?? stream(0))
  t.equal(open.size, 0, 'once only')
})
