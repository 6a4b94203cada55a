import t from 'tap'
import { HpackDecoder } from '../../../../../../agent/dataplane/h2/hpack/decoder.ts'
import { HpackEncoder } from '../../../../../../agent/dataplane/h2/hpack/encoder.ts'

const decoderOptions = { tableSize: 4096, maxListBytes: 16_384, maxPairs: 64, remembers: true }

/** An encoder that has sent its first block. */
function warm(): HpackEncoder {
  const encoder = new HpackEncoder()
  encoder.encode([':status', '200'])
  return encoder
}

t.test('begins a connection with an empty table, for peers that reduced theirs', async t => {
  const encoder = new HpackEncoder()
  t.equal(encoder.encode([':status', '200']).toString('hex'), '2088')
  t.equal(encoder.encode([':status', '200']).toString('hex'), '88')
})

t.test('is understood by the decoder', async t => {
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder(decoderOptions)
  const lists = [
    [':method', 'CONNECT', ':authority', '10.0.0.1:80'],
    [':status', '200'],
    [':method', 'GET', ':path', '/', 'x-own', 'value', 'cookie', 'secret', 'empty', ''],
    ['long', 'v'.repeat(5000)],
  ]
  for (let round = 0; round < 12; round += 1) {
    for (const list of lists) t.strictSame(decoder.decode(Buffer.from(encoder.encode(list))), list)
  }
})

t.test('never lets a secret be indexed', async t => {
  const block = warm().encode(['authorization', 'Bearer x'])
  t.equal((block[0] ?? 0) & 0xf0, 0x10)
})

t.test('gives a list that repeats the same bytes without encoding it again', async t => {
  const encoder = warm()
  const list = [':method', 'CONNECT', ':authority', '10.0.0.1:80']
  const first = encoder.encode(list)
  const second = encoder.encode([...list])
  t.equal(encoder.encode([...list]), second)
  t.ok(first.equals(second))
})

t.test('does not confuse a list with one that was changed after it was remembered', async t => {
  const encoder = warm()
  const decoder = new HpackDecoder(decoderOptions)
  const list = [':method', 'CONNECT', ':authority', '10.0.0.1:80']
  encoder.encode(list)
  list[3] = '10.0.0.2:80'
  t.strictSame(decoder.decode(Buffer.from(encoder.encode(list))), list)
})

t.test('cannot be made to write a line end or a NUL', async t => {
  const decoder = new HpackDecoder(decoderOptions)
  const encoder = warm()
  for (let round = 0; round < 5; round += 1) {
    const block = encoder.encode(['x', `a\r\nb\0c\u010ad\u{1f600}é${round}`])
    t.strictSame(decoder.decode(Buffer.from(block)), ['x', `a??b?c?d??é${round}`])
  }
})

t.test('names that come from another wire are written in lower case, and known for what they are', async t => {
  const encoder = warm()
  const decoder = new HpackDecoder(decoderOptions)
  t.strictSame(decoder.decode(Buffer.from(encoder.encode(['Content-Type', 'A/B', 'X-Own', 'V']))), [
    'content-type',
    'A/B',
    'x-own',
    'V',
  ])
  t.equal((encoder.encode(['Authorization', 'Bearer x'])[0] ?? 0) & 0xf0, 0x10)
})
