import t from 'tap'
import { ReceiveWindow } from '../../../../../agent/dataplane/h2/receive-window.ts'

t.test('announces consumed bytes once they are half a window', async t => {
  const window = new ReceiveWindow(1000)
  t.equal(window.take(600), 400)
  t.equal(window.give(499), 0)
  t.equal(window.give(1), 500)
  t.equal(window.give(100), 0)
  t.equal(window.take(900), 0, 'what was announced can be used')
})

t.test('tells when the peer sent more than it may', async t => {
  const window = new ReceiveWindow(1000)
  window.take(1000)
  window.give(300)
  t.equal(window.take(1), -1, 'consumed but not announced is not available')
})
