import t from 'tap'
import { HpackDecoder } from '../../../../../../agent/dataplane/h2/hpack/decoder.ts'
import { DynamicEncoder } from '../../../../../../agent/dataplane/h2/hpack/dynamic-encoder.ts'

function aPair(tableSize = 4096, decoderSize = tableSize) {
  const encoder = new DynamicEncoder(16_384, true)
  const decoder = new HpackDecoder({ tableSize: decoderSize, maxListBytes: 1e6, maxPairs: 1000, remembers: false })
  encoder.peerTableSize(tableSize)
  return {
    encoder,
    decoder,
    /** Sends a list over and returns the bytes it took. */
    pass(list: readonly string[]): Buffer {
      const block = Buffer.from(encoder.encode(list))
      const got = decoder.decode(block)
      if (JSON.stringify(got) !== JSON.stringify(list)) throw new Error(`${JSON.stringify(list)} became ${got}`)
      return block
    },
  }
}

const request = [
  ':method',
  'GET',
  ':scheme',
  'http',
  ':authority',
  'api.default.mesh',
  'User-Agent',
  'wrk',
  'accept',
  '*/*',
]

t.test('a field that repeats costs one byte', async t => {
  const { pass } = aPair()
  t.ok(pass(request).length > 40)
  t.equal(pass(request).length, 5)
})

t.test('names that differ in case are different names, and come back as they were', async t => {
  const { pass } = aPair()
  const list = ['X-Own', 'a', 'x-own', 'a', 'X-OWN', 'b']
  pass(list)
  t.equal(pass(list).length, 3)
})

t.test('the peer gets the same string each time', async t => {
  const { encoder, decoder } = aPair()
  const first = decoder.decode(Buffer.from(encoder.encode(['x-own', 'value'])))
  const second = decoder.decode(Buffer.from(encoder.encode(['x-own', 'value'])))
  t.strictSame(first, second)
})

t.test('secrets are never indexed, whatever the case of their name', async t => {
  const { encoder, pass } = aPair()
  for (const name of ['authorization', 'Authorization', 'cookie', 'Set-Cookie', 'proxy-authorization', 'X-Api-Key']) {
    for (let round = 0; round < 3; round += 1) {
      t.equal((encoder.encode([name, 'secret'])[0] ?? 0) & 0xf0, 0x10, name)
      t.ok(pass([name, 'secret']).includes('secret'))
    }
  }
})

t.test('what is new each time by its nature is not indexed', async t => {
  const { encoder } = aPair()
  for (const name of [':path', 'x-request-id', 'Traceparent', 'content-length', 'date', 'ETag']) {
    t.equal((encoder.encode([name, 'v1'])[0] ?? 0) & 0xf0, 0, name)
  }
})

t.test('a name whose values turn out to be new each time stops filling the table', async t => {
  const { pass } = aPair()
  pass(request)
  for (let user = 0; user < 1000; user += 1) pass(['x-user', `user-${user}`])
  t.equal(pass(request).length, 5, 'what serves is still there')
})

t.test('a name that was given up is tried again', async t => {
  const { pass } = aPair()
  for (let user = 0; user < 20; user += 1) pass(['x-user', `user-${user}`])
  for (let round = 0; round < 70; round += 1) pass(['x-user', 'the only one now'])
  t.equal(pass(['x-user', 'the only one now']).length, 1)
})

t.test('encoder and decoder stay in step while entries come and go', async t => {
  const { pass } = aPair(300)
  for (let round = 0; round < 2000; round += 1) {
    pass(['x-a', `v${round % 7}`, `x-${round % 11}`, 'same', 'x-long', 'l'.repeat(round % 90)])
  }
  t.pass()
})

t.test('many names do not fill the memory, and still arrive', async t => {
  const { pass } = aPair()
  for (let round = 0; round < 3000; round += 1) pass([`x-name-${round}`, 'v'])
  pass(request)
  t.equal(pass(request).length, 5)
})

t.test('a value that would take a good part of the table is not indexed', async t => {
  const { pass } = aPair()
  pass(request)
  for (let round = 0; round < 10; round += 1) pass(['x-large', 'v'.repeat(2000)])
  t.equal(pass(request).length, 5)
})

t.test('a table that the peer makes larger or smaller is announced first', async t => {
  const { encoder, decoder, pass } = aPair(4096, 65_536)
  encoder.peerTableSize(64)
  encoder.peerTableSize(2048)
  const block = Buffer.from(encoder.encode(['x', 'y']))
  t.equal(block.subarray(0, 6).toString('hex'), '3f213fe10f40', 'the smallest size and the last')
  t.strictSame(decoder.decode(block), ['x', 'y'])
  t.equal(pass(['x', 'y']).length, 1)
  encoder.peerTableSize(0)
  t.equal(pass(['x', 'y']).subarray(0, 2).toString('hex'), '2000')
  t.equal(pass(['x', 'y']).length, 5)
  encoder.peerTableSize(1e9)
  t.equal(pass(['x', 'y']).subarray(0, 4).toString('hex'), '3fe17f40', 'not more than it wants to use')
})

t.test('what cannot be in a field is replaced and never indexed', async t => {
  const { encoder, decoder } = aPair()
  for (const value of ['a\r\nb', 'a\u0100b', 'x'.repeat(40).concat('\0')]) {
    for (let round = 0; round < 2; round += 1) {
      const list = decoder.decode(Buffer.from(encoder.encode(['x-own', value])))
      t.notMatch(JSON.stringify(list), /\\r|\\n|\\u0/)
      t.match(list[1], /\?/)
    }
  }
})

t.test('an empty list and empty values pass', async t => {
  const { pass } = aPair()
  pass([])
  pass(['x-empty', ''])
  t.equal(pass(['x-empty', '']).length, 1)
})

t.test('towards applications names are in lower case, and what they are is known', async t => {
  const encoder = new DynamicEncoder(4096, false)
  const decoder = new HpackDecoder({ tableSize: 4096, maxListBytes: 1e6, maxPairs: 1000, remembers: false })
  for (let round = 0; round < 3; round += 1) {
    const list = decoder.decode(
      Buffer.from(encoder.encode(['X-Own', 'V', 'x-own', 'V', 'Accept', '*/*', 'Date', 'now'])),
    )
    t.strictSame(list, ['x-own', 'V', 'x-own', 'V', 'accept', '*/*', 'date', 'now'])
  }
  t.equal((encoder.encode(['Authorization', 'Bearer x'])[0] ?? 0) & 0xf0, 0x10)
})
