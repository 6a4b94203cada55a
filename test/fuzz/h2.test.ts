import { Duplex } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { H2Connection } from '../../agent/dataplane/h2/connection.ts'
import type { Dialect } from '../../agent/dataplane/h2/dialect.ts'
import { clientPreface, flag, frameType } from '../../agent/dataplane/h2/frames.ts'
import { HpackDecoder } from '../../agent/dataplane/h2/hpack/decoder.ts'
import { DynamicEncoder } from '../../agent/dataplane/h2/hpack/dynamic-encoder.ts'
import { HpackEncoder } from '../../agent/dataplane/h2/hpack/encoder.ts'
import { huffmanDecode, huffmanEncode, huffmanLength } from '../../agent/dataplane/h2/hpack/huffman.ts'
import { FakeClock } from '../fakes/clock.ts'
import { block, connectBlock, frameBytes } from '../support/h2-raw.ts'

const decoderOptions = { tableSize: 4096, maxListBytes: 16_384, maxPairs: 64, remembers: true }
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map(array => Buffer.from(array))
const latin1 = fc.uint8Array({ maxLength: 200 }).map(array => Buffer.from(array).toString('latin1'))

/** A socket whose other side is the test. */
class HeldSocket extends Duplex {
  override _write(_: Buffer, __: string, done: () => void): void {
    done()
  }
  override _read(): void {}
}

/** Feeds bytes in the given cuts to a fresh connection and tells what its owner saw. */
function feed(role: 'client' | 'server', input: Buffer, cuts: readonly number[], dialect: Dialect = 'h2'): string[] {
  const socket = new HeldSocket()
  const events: string[] = []
  const connection = new H2Connection(socket, role, { clock: new FakeClock(), keepalive: false, dialect })
  let opened = 0
  connection.onStream = (stream, headers, endStream) => {
    opened += 1
    const id = opened
    events.push(`open ${id} ${JSON.stringify(headers)} ${endStream}`)
    const payload: Buffer[] = []
    stream.onData = chunk => {
      payload.push(Buffer.from(chunk))
      stream.consumed(chunk.length)
    }
    stream.onEnd = () => events.push(`end ${id} ${Buffer.concat(payload).toString('hex')}`)
    stream.onReset = code => events.push(`reset ${id} ${code}`)
    stream.respond([':status', '200'], false)
  }
  connection.onGoaway = code => events.push(`goaway ${code}`)
  connection.onClose = reason => events.push(`close ${reason}`)
  let at = 0
  for (const cut of cuts) {
    socket.emit('data', input.subarray(at, at + cut))
    at += cut
  }
  socket.emit('data', input.subarray(at))
  connection.destroy('the test is over')
  return events
}

t.test('any string comes back from the Huffman code', async t => {
  fc.assert(
    fc.property(latin1, text => {
      const coded = Buffer.alloc(huffmanLength(text))
      huffmanEncode(text, coded, 0)
      const into = Buffer.alloc(text.length)
      return huffmanDecode(coded, 0, coded.length, into) === text.length && into.toString('latin1') === text
    }),
  )
  t.pass()
})

t.test('any header lists come back by way of the dynamic table, whatever its size', async t => {
  const text = fc.oneof(fc.constantFrom('a', 'X-Own', ':path', 'cookie', 'b'.repeat(100)), latin1)
  const field = text.map(value => value.replaceAll(/[\0\r\n]/g, ''))
  const list = fc.array(field, { maxLength: 20 }).map(fields => fields.slice(0, fields.length & ~1))
  const step = fc.record({ list, resize: fc.option(fc.nat(5000), { freq: 6 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), steps => {
      const encoder = new DynamicEncoder(8192, true)
      const decoder = new HpackDecoder({ ...decoderOptions, tableSize: 8192 })
      for (const { list: wanted, resize } of [...steps, ...steps]) {
        if (resize !== null) encoder.peerTableSize(resize)
        const got = decoder.decode(Buffer.from(encoder.encode(wanted)))
        if (JSON.stringify(got) !== JSON.stringify(wanted)) return false
      }
      return true
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

t.test('any header list comes back from encoder and decoder', async t => {
  const field = latin1.map(text => text.replaceAll(/[\0\r\n]/g, ''))
  const list = fc
    .array(field, { maxLength: 20 })
    .map(fields => fields.slice(0, fields.length & ~1).map((text, at) => (at % 2 === 0 ? text.toLowerCase() : text)))
  fc.assert(
    fc.property(fc.array(list, { maxLength: 10 }), lists => {
      const encoder = new HpackEncoder()
      const decoder = new HpackDecoder(decoderOptions)
      for (const wanted of [...lists, ...lists]) {
        const got = decoder.decode(Buffer.from(encoder.encode(wanted)))
        if (JSON.stringify(got) !== JSON.stringify(wanted)) return false
      }
      return true
    }),
  )
  t.pass()
})

t.test('no header block makes the decoder throw or exceed its limits', async t => {
  fc.assert(
    fc.property(fc.array(bytes(300), { maxLength: 20 }), blocks => {
      const decoder = new HpackDecoder(decoderOptions)
      for (const block of blocks) {
        const list = decoder.decode(block)
        if (list === 'invalid') return true
        if (list !== 'oversize' && (list.length > 128 || list.length % 2 !== 0 || list.join('').length > 16_384)) {
          return false
        }
      }
      return true
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

/** Frames that are mostly right in form, so that the state machine behind the parser is reached. */
const frame = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(1, 3, 5, 7).map(id => frameBytes(frameType.headers, 4, id, connectBlock)) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom(1, 3, 5, 7), fc.constantFrom(0, flag.endStream, flag.padded), bytes(100))
      .map(([id, flags, payload]) => frameBytes(frameType.data, flags, id, payload)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(3, 8), fc.constantFrom(0, 1, 3), fc.uint8Array({ minLength: 4, maxLength: 4 }))
      .map(([type, id, payload]) => frameBytes(type, 0, id, Buffer.from(payload))),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(12), fc.nat(255), fc.nat(9), bytes(60))
      .map(([type, flags, id, payload]) => frameBytes(type, flags, id, payload)),
  },
)
const getFrames = fc.constantFrom(1, 3, 5, 7).map(id => {
  const head = block(':method', 'POST', ':scheme', 'http', ':path', '/', ':authority', 'a', 'upgrade', 'x')
  return frameBytes(frameType.headers, 4, id, head)
})
const conversation = fc
  .array(fc.oneof({ weight: 6, arbitrary: frame }, { weight: 1, arbitrary: getFrames }), { maxLength: 40 })
  .map(frames => Buffer.concat([frameBytes(frameType.settings, 0, 0), ...frames]))
const cuts = fc.array(fc.nat(40), { maxLength: 60 })

t.test('a server sees the same however its client cuts the bytes, and always ends in order', async t => {
  fc.assert(
    fc.property(
      conversation,
      cuts,
      fc.constantFrom<Dialect>('h2', 'weft', 'application'),
      (frames, cutSizes, dialect) => {
        const input = Buffer.concat([Buffer.from(clientPreface), frames])
        const whole = feed('server', input, [], dialect)
        const cut = feed('server', input, cutSizes, dialect)
        const closes = whole.filter(event => event.startsWith('close'))
        return JSON.stringify(whole) === JSON.stringify(cut) && closes.length === 1
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('no bytes make a server or a client throw', async t => {
  const dialect = fc.constantFrom<Dialect>('h2', 'weft', 'application')
  const start = fc.constantFrom('', clientPreface, `${clientPreface}\0\0\0\x04\0\0\0\0\0`, '\0\0\0\x04\0\0\0\0\0')
  fc.assert(
    fc.property(
      start,
      bytes(400),
      cuts,
      fc.constantFrom('client', 'server'),
      dialect,
      (prefix, rest, cutSizes, role, d) => {
        const events = feed(role, Buffer.concat([Buffer.from(prefix, 'latin1'), rest]), cutSizes, d)
        return events.filter(event => event.startsWith('close')).length === 1
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('whatever a server answers, each stream of a client ends at most once', async t => {
  fc.assert(
    fc.property(conversation, frames => {
      const socket = new HeldSocket()
      const connection = new H2Connection(socket, 'client', { clock: new FakeClock(), keepalive: false })
      const ends = new Map<number, number>()
      for (let index = 0; index < 3; index += 1) {
        const stream = connection.open([':method', 'CONNECT', ':authority', 'a:1'], false)
        if (stream === undefined) return false
        stream.onReset = () => ends.set(stream.id, (ends.get(stream.id) ?? 0) + 1)
      }
      socket.emit('data', frames)
      connection.destroy('the test is over')
      return [...ends.values()].every(count => count === 1)
    }),
    { numRuns: 1000 },
  )
  t.pass()
})
