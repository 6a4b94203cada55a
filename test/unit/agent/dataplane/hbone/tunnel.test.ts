import t from 'tap'
import type { H2Stream, HeaderList } from '../../../../../agent/dataplane/h2/stream.ts'
import { openTunnel, type TunnelResult } from '../../../../../agent/dataplane/hbone/tunnel.ts'
import { FakeClock } from '../../../../fakes/clock.ts'

function setup() {
  const clock = new FakeClock()
  const resets: number[] = []
  const stream: H2Stream = {
    id: 1,
    protocol: 'HTTP/2' as const,
    onHeaders: undefined,
    onData: undefined,
    onEnd: undefined,
    onReset: undefined,
    onDrain: undefined,
    respond() {},
    write: () => true,
    end() {},
    consumed() {},
    reset: code => void resets.push(code),
  }
  const session = {
    bytesHeard: 0,
    asked: 0,
    open: (): H2Stream | undefined => stream,
    ask() {
      session.asked += 1
    },
  }
  const results: TunnelResult[] = []
  const open = () => openTunnel(session, [':method', 'CONNECT'], clock, result => results.push(result))
  const answer = (...headers: HeaderList) => stream.onHeaders?.(headers, false)
  return { clock, resets, stream, session, results, open, answer }
}

t.test('a tunnel is open when the peer says 200', async t => {
  const { clock, stream, results, open, answer } = setup()
  open()
  answer(':status', '200')
  t.strictSame(results, [{ kind: 'open', stream }])
  t.equal(clock.pending, 0)
})

t.test('a refusal tells the reason that the peer gave', async t => {
  const { results, open, answer, resets } = setup()
  open()
  answer(':status', '503', 'weft-reason', 'LOCAL_CONNECT refused')
  t.strictSame(results, [{ kind: 'failed', reason: 'CONNECT_REFUSED', detail: 'LOCAL_CONNECT refused' }])
  t.strictSame(resets, [8])
})

t.test('a peer that shows no sign of life when asked is given up long before its answer is overdue', async t => {
  const { clock, session, results, open, resets } = setup()
  open()
  await clock.advance(1_499)
  t.equal(session.asked, 0, 'an answer that takes a moment raises no question')
  await clock.advance(1)
  t.equal(session.asked, 1)
  await clock.advance(1_500)
  t.match(results, [{ kind: 'failed', reason: 'UPSTREAM_CONNECT', silent: true, detail: /silent for 3 s/ }])
  t.strictSame(resets, [8])
  t.equal(clock.pending, 0)
})

t.test('a peer that is heard has ten seconds for its answer', async t => {
  const { clock, session, results, open } = setup()
  open()
  await clock.advance(1_500)
  session.bytesHeard += 17
  await clock.advance(8_499)
  t.strictSame(results, [])
  await clock.advance(1)
  t.match(results, [{ kind: 'failed', silent: true, detail: /within 10 s/ }])
})

t.test('an answer after the question is still taken, and nothing comes after it', async t => {
  for (const waitMs of [1_600, 5_000]) {
    const { clock, session, results, open, answer } = setup()
    open()
    await clock.advance(1_500)
    session.bytesHeard += 1
    await clock.advance(waitMs - 1_500)
    answer(':status', '200')
    await clock.advance(20_000)
    t.match(results, [{ kind: 'open' }])
  }
})

t.test('a session that is lost, or has no room, fails the tunnel', async t => {
  const lost = setup()
  lost.open()
  lost.stream.onReset?.(2, 'the connection was lost')
  t.match(lost.results, [{ kind: 'failed', reason: 'UPSTREAM_RESET', detail: 'the connection was lost' }])
  t.equal(lost.clock.pending, 0)
  const full = setup()
  full.session.open = () => undefined
  full.open()
  t.match(full.results, [{ kind: 'failed', reason: 'UPSTREAM_CONNECT' }])
})
