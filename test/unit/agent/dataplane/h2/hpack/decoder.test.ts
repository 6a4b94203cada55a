import t from 'tap'
import { HpackDecoder } from '../../../../../../agent/dataplane/h2/hpack/decoder.ts'

const options = { tableSize: 4096, maxListBytes: 16_384, maxPairs: 64, remembers: true }
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

// RFC 7541 appendix C.3 (plain) and C.4 (Huffman): three requests on one connection
const requests = {
  plain: [
    '828684410f7777772e6578616d706c652e636f6d',
    '828684be58086e6f2d6361636865',
    '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
  ],
  huffman: [
    '828684418cf1e3c2e5f23a6ba0ab90f4ff',
    '828684be5886a8eb10649cbf',
    '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
  ],
}
const requestLists = [
  [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com'],
  [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com', 'cache-control', 'no-cache'],
  [
    ':method',
    'GET',
    ':scheme',
    'https',
    ':path',
    '/index.html',
    ':authority',
    'www.example.com',
    'custom-key',
    'custom-value',
  ],
]

for (const [name, blocks] of Object.entries(requests)) {
  t.test(`decodes the ${name} requests of the RFC`, async t => {
    const decoder = new HpackDecoder(options)
    for (const [index, block] of blocks.entries()) t.strictSame(decoder.decode(hex(block)), requestLists[index])
  })
}

// RFC 7541 appendix C.5: responses with a table of 256 bytes, so that entries are evicted
const responses = [
  '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54' +
    '6e1768747470733a2f2f7777772e6578616d706c652e636f6d',
  '4803333037c1c0bf',
  '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a697077' +
    '38666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
]

t.test('decodes the responses of the RFC, whose table evicts', async t => {
  const decoder = new HpackDecoder(options)
  t.strictSame(decoder.decode(hex('3fe101')), [], 'the table is set to 256 bytes')
  const date = 'Mon, 21 Oct 2013 20:13:21 GMT'
  const site = 'https://www.example.com'
  t.strictSame(decoder.decode(hex(responses[0] ?? '')), [
    ':status',
    '302',
    'cache-control',
    'private',
    'date',
    date,
    'location',
    site,
  ])
  t.strictSame(decoder.decode(hex(responses[1] ?? '')), [
    ':status',
    '307',
    'cache-control',
    'private',
    'date',
    date,
    'location',
    site,
  ])
  t.strictSame(decoder.decode(hex(responses[2] ?? '')), [
    ':status',
    '200',
    'cache-control',
    'private',
    'date',
    'Mon, 21 Oct 2013 20:13:22 GMT',
    'location',
    site,
    'content-encoding',
    'gzip',
    'set-cookie',
    'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
  ])
})

t.test('gives a list of its own for bytes that it knows, which the owner may change', async t => {
  const decoder = new HpackDecoder(options)
  const first = decoder.decode(hex('8286'))
  if (typeof first === 'string') throw new Error(first)
  first.length = 0
  t.strictSame(decoder.decode(hex('8286')), [':method', 'GET', ':scheme', 'http'])
  t.strictSame(decoder.decode(hex('8286')), [':method', 'GET', ':scheme', 'http'])
})

t.test('does not remember a block that refers to the dynamic table', async t => {
  const decoder = new HpackDecoder(options)
  decoder.decode(hex('40 01 61 01 31'))
  t.strictSame(decoder.decode(hex('be')), ['a', '1'])
  decoder.decode(hex('40 01 62 01 32'))
  t.strictSame(decoder.decode(hex('be')), ['b', '2'])
})

const invalid: Readonly<Record<string, string>> = {
  'index zero': '80',
  'an index beyond both tables': 'be',
  'a name index beyond both tables': '7e 01 61',
  'a table size above what was advertised': '3f e2 1f',
  'a table size update after a field': '88 20',
  'a literal that is cut off': '00 05 61',
  'a literal without a value': '00 01 61',
  'a Huffman string with wrong padding': '00 01 61 81 08',
  'an integer without end': 'ff ff ff ff ff ff ff',
  'an index that is cut off': 'ff',
}

for (const [name, block] of Object.entries(invalid)) {
  t.test(`refuses ${name}`, async t => {
    t.equal(new HpackDecoder(options).decode(hex(block)), 'invalid')
  })
}

t.test('says oversize for too many pairs and stays in step', async t => {
  const decoder = new HpackDecoder({ ...options, maxPairs: 3, remembers: true })
  t.equal(decoder.decode(hex('88 88 88 88 40 01 61 01 31')), 'oversize')
  t.strictSame(decoder.decode(hex('be')), ['a', '1'], 'what the large block added to the table is there')
})

t.test('keeps nothing of a small block that refers to a large entry again and again', async t => {
  const decoder = new HpackDecoder(options)
  const bomb = Buffer.concat([hex('40 01 61 7f a11d'), Buffer.alloc(3872, 0x62), Buffer.alloc(20_000, 0xbe)])
  t.equal(decoder.decode(bomb), 'oversize')
})

t.test('insists on a table size update after the peer agreed to a smaller table', async t => {
  const small = { ...options, tableSize: 0 }
  const lax = new HpackDecoder(small)
  t.strictSame(lax.decode(hex('40 01 61 01 31')), ['a', '1'], 'before the acknowledgement the default applies')
  const silent = new HpackDecoder(small)
  silent.settingsAcknowledged()
  t.equal(silent.decode(hex('88')), 'invalid')
  const polite = new HpackDecoder(small)
  polite.settingsAcknowledged()
  t.strictSame(polite.decode(hex('20 88')), [':status', '200'])
  t.strictSame(polite.decode(hex('88')), [':status', '200'])
  t.equal(polite.decode(hex('21')), 'invalid')
})
