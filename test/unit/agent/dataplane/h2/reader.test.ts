import t from 'tap'
import { clientPreface, flag, frameType, h2Error } from '../../../../../agent/dataplane/h2/frames.ts'
import { FrameReader, type FrameSink } from '../../../../../agent/dataplane/h2/reader.ts'
import { connectBlock, frameBytes, numbers } from '../../../../support/h2-raw.ts'

const options = { maxFrameSize: 1 << 20, headerBlockBytes: 32_768, expectsPreface: false, expectsSettings: false }

/** Writes down what it is told, DATA pieces joined. */
class Recorder implements FrameSink {
  readonly events: string[] = []
  pieces: Buffer[] = []
  dataBegins(streamId: number, length: number): void {
    this.pieces = []
    this.events.push(`begin ${streamId} ${length}`)
  }
  dataPiece(piece: Buffer): void {
    this.pieces.push(Buffer.from(piece))
  }
  dataPadding(bytes: number): void {
    this.events.push(`padding ${bytes}`)
  }
  dataEnds(endStream: boolean): void {
    this.events.push(`end ${Buffer.concat(this.pieces).toString()} ${endStream}`)
  }
  frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    this.events.push(`frame ${type} ${flags} ${streamId} ${payload.toString('hex')}`)
  }
  violation(code: number, reason: string): void {
    this.events.push(`violation ${code} ${reason}`)
  }
}

function read(bytes: Buffer, chunkBytes = bytes.length, readerOptions = options): string[] {
  const sink = new Recorder()
  const reader = new FrameReader(sink, readerOptions)
  for (let at = 0; at < bytes.length; at += chunkBytes) reader.push(bytes.subarray(at, at + chunkBytes))
  return sink.events
}

const padded = Buffer.concat([Buffer.from([3]), Buffer.from('abc'), Buffer.alloc(3)])
const conversation = Buffer.concat([
  frameBytes(frameType.settings, 0, 0),
  frameBytes(frameType.headers, flag.endHeaders, 1, connectBlock),
  frameBytes(frameType.data, 0, 1, 'hello'),
  frameBytes(frameType.data, flag.padded, 1, padded),
  frameBytes(frameType.data, flag.padded, 1, Buffer.from([2, 0, 0])),
  frameBytes(frameType.priority, 0, 1, Buffer.alloc(5)),
  frameBytes(0x42, 0xff, 0, 'whatever'),
  frameBytes(0x43, 0, 9),
  frameBytes(frameType.windowUpdate, 0, 0, numbers(7)),
  frameBytes(frameType.data, flag.endStream, 1),
])
const wanted = [
  'frame 4 0 0 ',
  `frame 1 4 1 ${connectBlock.toString('hex')}`,
  'begin 1 5',
  'end hello false',
  'begin 1 7',
  'padding 4',
  'end abc false',
  'begin 1 3',
  'padding 3',
  'end  false',
  'frame 8 0 0 00000007',
  'begin 1 0',
  'end  true',
]

t.test('reads the same frames however the bytes are cut', async t => {
  for (let chunkBytes = 1; chunkBytes <= conversation.length; chunkBytes += 1) {
    t.strictSame(read(conversation, chunkBytes), wanted, `chunks of ${chunkBytes}`)
  }
})

t.test('hands payload on as it arrives, as views of what arrived', async t => {
  const sink = new Recorder()
  const received: Buffer[] = []
  sink.dataPiece = piece => received.push(piece)
  const reader = new FrameReader(sink, options)
  const bytes = frameBytes(frameType.data, 0, 1, 'x'.repeat(100))
  const first = bytes.subarray(0, 50)
  reader.push(first)
  t.equal(received.length, 1, 'the first piece does not wait for the rest')
  t.equal(received[0]?.buffer, first.buffer)
  reader.push(bytes.subarray(50))
  t.equal(Buffer.concat(received).length, 100)
})

t.test('wants the preface of a client', async t => {
  const server = { ...options, expectsPreface: true }
  const bytes = Buffer.concat([Buffer.from(clientPreface), frameBytes(frameType.settings, 0, 0)])
  for (const chunkBytes of [1, 5, 24, 25, bytes.length]) t.strictSame(read(bytes, chunkBytes, server), ['frame 4 0 0 '])
  t.match(read(Buffer.from('GET / HTTP/1.1\r\n\r\n'), 4, server), [/^violation 1 /])
})

t.test('ignores everything after it was stopped, also from within a call', async t => {
  const sink = new Recorder()
  const reader = new FrameReader(sink, options)
  sink.dataBegins = () => reader.stop()
  reader.push(conversation)
  t.strictSame(sink.events, wanted.slice(0, 2))
  reader.push(conversation)
  t.strictSame(sink.events, wanted.slice(0, 2))
})

t.test('knows when the peer owes the rest of something', async t => {
  const reader = new FrameReader(new Recorder(), options)
  const headers = frameBytes(frameType.headers, 0, 1, connectBlock)
  reader.push(headers.subarray(0, 12))
  t.equal(reader.waitsForRest, true, 'a frame is cut off')
  reader.push(headers.subarray(12))
  t.equal(reader.waitsForRest, true, 'the block is to be continued')
  reader.push(frameBytes(frameType.continuation, flag.endHeaders, 1, 'x'))
  t.equal(reader.waitsForRest, false)
  reader.push(frameBytes(frameType.data, 0, 1, 'abc').subarray(0, 10))
  t.equal(reader.waitsForRest, false, 'DATA may take its time')
})

const violations: Readonly<Record<string, readonly [number, Buffer]>> = {
  'a frame larger than allowed': [h2Error.frameSize, Buffer.from([0x10, 0, 1, 0, 0, 0, 0, 0, 1])],
  'DATA on stream 0': [h2Error.protocol, frameBytes(frameType.data, 0, 0, 'x')],
  'padded DATA without a pad length': [h2Error.frameSize, frameBytes(frameType.data, flag.padded, 1)],
  'padding as long as its frame': [
    h2Error.protocol,
    frameBytes(frameType.data, flag.padded, 1, Buffer.from([3, 0, 0])),
  ],
  'HEADERS on stream 0': [h2Error.protocol, frameBytes(frameType.headers, flag.endHeaders, 0, connectBlock)],
  'CONTINUATION without HEADERS': [h2Error.protocol, frameBytes(frameType.continuation, flag.endHeaders, 1, 'x')],
  'PRIORITY of the wrong size': [h2Error.frameSize, frameBytes(frameType.priority, 0, 1, Buffer.alloc(4))],
  'PRIORITY on stream 0': [h2Error.protocol, frameBytes(frameType.priority, 0, 0, Buffer.alloc(5))],
  'RST_STREAM of the wrong size': [h2Error.frameSize, frameBytes(frameType.rstStream, 0, 1, Buffer.alloc(5))],
  'RST_STREAM on stream 0': [h2Error.protocol, frameBytes(frameType.rstStream, 0, 0, Buffer.alloc(4))],
  'SETTINGS on a stream': [h2Error.protocol, frameBytes(frameType.settings, 0, 1)],
  'SETTINGS of an odd size': [h2Error.frameSize, frameBytes(frameType.settings, 0, 0, Buffer.alloc(7))],
  'a SETTINGS acknowledgement with a payload': [
    h2Error.frameSize,
    frameBytes(frameType.settings, flag.ack, 0, Buffer.alloc(6)),
  ],
  'SETTINGS with hundreds of parameters': [
    h2Error.enhanceYourCalm,
    frameBytes(frameType.settings, 0, 0, Buffer.alloc(6000)),
  ],
  PUSH_PROMISE: [h2Error.protocol, frameBytes(frameType.pushPromise, flag.endHeaders, 1, Buffer.alloc(10))],
  'PING on a stream': [h2Error.protocol, frameBytes(frameType.ping, 0, 1, Buffer.alloc(8))],
  'PING of the wrong size': [h2Error.frameSize, frameBytes(frameType.ping, 0, 0, Buffer.alloc(7))],
  'GOAWAY on a stream': [h2Error.protocol, frameBytes(frameType.goaway, 0, 1, Buffer.alloc(8))],
  'GOAWAY that is too short': [h2Error.frameSize, frameBytes(frameType.goaway, 0, 0, Buffer.alloc(7))],
  'WINDOW_UPDATE of the wrong size': [h2Error.frameSize, frameBytes(frameType.windowUpdate, 0, 0, Buffer.alloc(3))],
  'a header block interrupted by DATA': [
    h2Error.protocol,
    Buffer.concat([frameBytes(frameType.headers, 0, 1, connectBlock), frameBytes(frameType.data, 0, 1, 'x')]),
  ],
  'a header block interrupted by a frame of unknown type': [
    h2Error.protocol,
    Buffer.concat([frameBytes(frameType.headers, 0, 1, connectBlock), frameBytes(0x42, 0, 1, 'x')]),
  ],
  'CONTINUATION of another stream': [
    h2Error.protocol,
    Buffer.concat([frameBytes(frameType.headers, 0, 1, connectBlock), frameBytes(frameType.continuation, 4, 3, 'x')]),
  ],
  'a HEADERS frame beyond the header limit': [
    h2Error.enhanceYourCalm,
    frameBytes(frameType.headers, flag.endHeaders, 1, Buffer.alloc(40_000)),
  ],
}

for (const [name, [code, bytes]] of Object.entries(violations)) {
  t.test(`ends the connection for ${name}`, async t => {
    for (const chunkBytes of [1, 9, bytes.length]) {
      const last = read(Buffer.concat([bytes, frameBytes(frameType.ping, 0, 0, Buffer.alloc(8))]), chunkBytes).at(-1)
      t.match(last, new RegExp(`^violation ${code} `), `chunks of ${chunkBytes}`)
    }
  })
}
