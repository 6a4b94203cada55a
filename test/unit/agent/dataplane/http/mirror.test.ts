import t from 'tap'
import { Mirror } from '../../../../../agent/dataplane/http/mirror.ts'
import { PlayedStream } from '../../../../support/played-stream.ts'

/** A mirror whose stream is the test's, and how many exchanges its endpoint has. */
function played() {
  const count = { begun: 0, ended: 0 }
  const mirror = new Mirror({
    begin() {
      count.begun += 1
    },
    end() {
      count.ended += 1
    },
  })
  return { mirror, stream: new PlayedStream(), count }
}

t.test('what comes before the mirror is connected waits, and goes there in order', async t => {
  const { mirror, stream, count } = played()
  mirror.data(Buffer.from('one'))
  mirror.data(Buffer.from('two'))
  mirror.opened(stream, false)
  mirror.data(Buffer.from('three'))
  mirror.end(['x-sum', '11'])
  t.strictSame(stream.sent, ['data one', 'data two', 'data three', 'trailers x-sum'])
  stream.onHeaders?.([':status', '200'], false)
  stream.arrives('thanks')
  t.equal(stream.givenBack, 6)
  stream.onEnd?.()
  t.strictSame([count, stream.sent.length], [{ begun: 1, ended: 1 }, 4])
})

t.test(
  'a mirror that answers before it has the whole request is not sent the rest, and its stream is given up',
  async t => {
    for (const answer of ['with a body', 'without'] as const) {
      const { mirror, stream, count } = played()
      mirror.opened(stream, false)
      mirror.data(Buffer.from('one'))
      stream.onHeaders?.([':status', '413'], answer === 'without')
      if (answer === 'with a body') stream.onEnd?.()
      t.strictSame(stream.sent, ['data one', 'reset 0'])
      mirror.data(Buffer.from('two'))
      mirror.end(undefined)
      t.strictSame([stream.sent.length, count.ended], [2, 1])
    }
  },
)

t.test(
  'a mirror that takes nothing is given up when too much waits for it, and so is one whose request breaks off',
  async t => {
    const slow = played()
    slow.mirror.opened(slow.stream, false)
    slow.stream.isFull = true
    for (let sent = 0; sent < 18; sent += 1) slow.mirror.data(Buffer.alloc(64 * 1024))
    t.equal(slow.stream.sent.at(-1), 'reset 8')
    t.equal(slow.count.ended, 1)

    const broken = played()
    broken.mirror.abort()
    broken.mirror.opened(broken.stream, false)
    t.strictSame([broken.stream.sent, broken.count.ended], [['reset 8'], 1])
  },
)
