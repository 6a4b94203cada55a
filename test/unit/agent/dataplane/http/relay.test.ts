import t from 'tap'
import { Relay } from '../../../../../agent/dataplane/http/relay.ts'
import { unknownPeer } from '../../../../../agent/dataplane/telemetry/peer-labels.ts'
import { RequestRecord } from '../../../../../agent/dataplane/telemetry/request-record.ts'
import { PlayedStream } from '../../../../support/played-stream.ts'

/** A relay whose owner answers whatever head comes, and writes down what it is told. */
function played(options: { readonly ended?: boolean; readonly replayBytes?: number; readonly isGrpc?: boolean } = {}) {
  const down = new PlayedStream()
  const told: string[] = []
  const record = new RequestRecord('outbound', 0, 0, unknownPeer, unknownPeer)
  record.isGrpc = options.isGrpc ?? false
  let passed = 0
  const relay: Relay = new Relay(
    down,
    options.ended ?? false,
    {
      responseHead: (headers, endStream) => relay.respond(headers, endStream, headers[1]?.startsWith('1') === true),
      upstreamReset: (code, reason) => told.push(`upstream ${code} ${reason}`),
      callerGone: (code, reason) => told.push(`caller ${code} ${reason}`),
      requestComplete: () => told.push('complete'),
      finished: () => told.push('finished'),
    },
    record,
    options.replayBytes ?? 64,
    bytes => {
      passed += bytes
    },
  )
  return { relay, down, told, record, passedBytes: () => passed }
}

t.test('payload goes both ways, and the exchange is over when both messages are', async t => {
  const { relay, down, told, record, passedBytes } = played()
  const up = new PlayedStream()
  relay.attach(up)
  down.arrives('ask')
  up.onHeaders?.([':status', '200'], false)
  up.arrives('answer')
  t.strictSame(told, [])
  down.onEnd?.()
  up.onEnd?.()
  t.strictSame(up.sent, ['data ask', 'end'])
  t.strictSame(down.sent, ['head 200', 'data answer', 'end'])
  t.strictSame([down.givenBack, up.givenBack], [3, 6])
  t.strictSame(told, ['complete', 'finished'])
  t.match(record, { bytesReceived: 3, bytesSent: 6 })
  t.equal(passedBytes(), 9)
})

t.test('a body that no upstream has yet is kept, and no more of it is asked for', async t => {
  const { relay, down } = played({ replayBytes: 4 })
  down.arrives('abcdef')
  t.equal(down.givenBack, 0)
  const up = new PlayedStream()
  relay.attach(up)
  t.strictSame(up.sent, ['data abcdef'])
  t.equal(down.givenBack, 6)
  t.notOk(relay.replayable, 'it was more than may be kept')
})

t.test('another upstream gets the request from its beginning, with its end and its trailers', async t => {
  const { relay, down } = played()
  const [first, second] = [new PlayedStream(), new PlayedStream()]
  relay.attach(first)
  down.arrives('one')
  down.arrives('two')
  down.onHeaders?.(['x-sum', '6'], true)
  t.strictSame(first.sent, ['data one', 'data two', 'trailers x-sum'])
  t.ok(relay.replayable)
  relay.detach()
  relay.attach(second)
  t.strictSame(first.sent.at(-1), 'reset 8')
  t.strictSame(second.sent, ['data one', 'data two', 'trailers x-sum'])
})

t.test('a slow upstream holds the caller back, and a slow caller the upstream', async t => {
  const { relay, down } = played({ replayBytes: 0 })
  const up = new PlayedStream()
  relay.attach(up)
  up.isFull = true
  down.arrives('abc')
  down.arrives('def')
  t.strictSame(up.sent, ['data abc'], 'what comes after a full stop waits')
  t.equal(down.givenBack, 0)
  up.drains()
  t.strictSame(up.sent, ['data abc', 'data def'])
  t.equal(down.givenBack, 6)
  up.onHeaders?.([':status', '200'], false)
  down.isFull = true
  up.arrives('12345')
  t.equal(up.givenBack, 0)
  down.drains()
  t.equal(up.givenBack, 5)
})

t.test('an upstream that answers before it has the whole request is left, and the rest is dropped', async t => {
  const { relay, down, told } = played()
  const up = new PlayedStream()
  relay.attach(up)
  down.arrives('abc')
  up.onHeaders?.([':status', '413'], true)
  down.arrives('more')
  t.strictSame(
    up.sent.filter(sent => sent.startsWith('data')),
    ['data abc'],
  )
  t.equal(down.givenBack, 7)
  down.onEnd?.()
  t.ok(told.includes('finished'))
})

t.test('informational answers go before the final one', async t => {
  const { relay, down } = played({ ended: true })
  const up = new PlayedStream()
  relay.attach(up)
  t.strictSame(up.sent, [], 'the head has said that nothing follows')
  up.onHeaders?.([':status', '103'], false)
  up.onHeaders?.([':status', '204'], true)
  t.strictSame(down.sent, ['head 103', 'head 204 end'])
})

t.test('trailers of the answer end it, and their status is noted', async t => {
  const { relay, down, told, record } = played({ ended: true, isGrpc: true })
  const up = new PlayedStream()
  relay.attach(up)
  up.onHeaders?.([':status', '200'], false)
  up.onData?.(Buffer.from([0, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 0]))
  up.onHeaders?.(['grpc-status', '5'], true)
  t.strictSame(down.sent.at(-1), 'trailers grpc-status')
  t.match(record, { grpcStatus: 5, responseMessages: 2 })
  t.strictSame(told, ['finished'])
})

t.test('whoever breaks off is told apart, once', async t => {
  const { relay, down, told } = played()
  const up = new PlayedStream()
  relay.attach(up)
  up.onReset?.(2, 'lost')
  down.onReset?.(8, 'gave up')
  down.onReset?.(8, 'gave up')
  t.strictSame(told, ['upstream 2 lost', 'caller 8 gave up'])
})

t.test('a caller that goes takes its upstream with it', async t => {
  const { relay, down } = played()
  const up = new PlayedStream()
  relay.attach(up)
  down.onReset?.(8, 'gave up')
  t.strictSame(up.sent, ['reset 8'])
})

t.test('an answer of the mesh itself takes the place of any upstream’s', async t => {
  const { relay, down, told, record } = played({ ended: true })
  const up = new PlayedStream()
  relay.attach(up)
  relay.reply([':status', '503'], Buffer.from('no'))
  t.strictSame(up.sent, ['reset 8'])
  t.strictSame(down.sent, ['head 503', 'data no', 'end'])
  t.equal(record.bytesSent, 2)
  t.strictSame(told, ['finished'])
})

t.test('an answer that cannot be completed is broken off, not ended', async t => {
  const { relay, down } = played({ ended: true })
  const up = new PlayedStream()
  relay.attach(up)
  up.onHeaders?.([':status', '200'], false)
  up.arrives('half')
  relay.abort()
  t.strictSame(down.sent, ['head 200', 'data half', 'reset 2'])
})

t.test('a copy gets what passes, and is told when it breaks off', async t => {
  const { relay, down } = played()
  const copied: string[] = []
  relay.copyTo({
    data: chunk => copied.push(chunk.toString()),
    end: () => copied.push('end'),
    abort: () => copied.push('abort'),
  })
  relay.attach(new PlayedStream())
  down.arrives('abc')
  down.onReset?.(8, 'gave up')
  t.strictSame(copied, ['abc', 'abort'])
})

t.test('a copy is of the whole request, also of what had come before it was asked for', async t => {
  const { relay, down } = played()
  down.arrives('one')
  const copied: string[] = []
  const copy = {
    data: (chunk: Buffer) => void copied.push(`data ${chunk}`),
    end: (trailers: readonly string[] | undefined) => void copied.push(`end ${trailers}`),
    abort: () => void copied.push('abort'),
  }
  relay.copyTo(copy)
  down.arrives('two')
  t.strictSame(copied, ['data one', 'data two'])
  down.onHeaders?.(['x-sum', '6'], true)
  relay.copyTo(copy)
  t.strictSame(copied.slice(2), ['end x-sum,6', 'data one', 'data two', 'end x-sum,6'])
})

t.test('an answer in place of any upstream has no body for HEAD, and says how long it would be', async t => {
  const { relay, down, record } = played({ ended: true })
  record.method = 'HEAD'
  relay.reply([':status', '503', 'content-length', '4'], Buffer.from('gone'))
  t.strictSame(down.sent, ['head 503 end'])
  t.equal(record.bytesSent, 0)
})
