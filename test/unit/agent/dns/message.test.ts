import t from 'tap'
import { answersQuery, fitUdp, readQuery, writeAnswer } from '../../../../agent/dns/message.ts'
import { answerA, queryBytes, read } from '../../../support/dns-client.ts'

const patched = (change: (bytes: Buffer) => void): Buffer => {
  const bytes = queryBytes('api.default.mesh')
  change(bytes)
  return bytes
}
const header = (counts: readonly number[], body: readonly number[]) =>
  Buffer.from([0x12, 0x34, 1, 0, ...counts.flatMap(count => [count >> 8, count & 0xff]), ...body])

const malformed: readonly { title: string; bytes: Buffer; rcode: string | undefined }[] = [
  { title: 'nothing at all', bytes: Buffer.alloc(0), rcode: undefined },
  { title: 'half a header', bytes: Buffer.alloc(11), rcode: undefined },
  { title: 'a response', bytes: patched(bytes => bytes.writeUInt16BE(0x8180, 2)), rcode: undefined },
  { title: 'an update', bytes: patched(bytes => bytes.writeUInt16BE(5 << 11, 2)), rcode: 'NOTIMP' },
  { title: 'no question', bytes: header([0, 0, 0, 0], []), rcode: 'FORMERR' },
  { title: 'two questions', bytes: patched(bytes => bytes.writeUInt16BE(2, 4)), rcode: 'FORMERR' },
  { title: 'questions without end', bytes: header([0xffff, 0xffff, 0xffff, 0xffff], []), rcode: 'FORMERR' },
  { title: 'a name that is cut off', bytes: header([1, 0, 0, 0], [3, 0x61]), rcode: 'FORMERR' },
  { title: 'a name without its type', bytes: header([1, 0, 0, 0], [1, 0x61, 0, 0]), rcode: 'FORMERR' },
  { title: 'a name that points at itself', bytes: header([1, 0, 0, 0], [0xc0, 12, 0, 1, 0, 1]), rcode: 'FORMERR' },
  { title: 'a name that points ahead', bytes: header([1, 0, 0, 0], [0xc0, 0xff, 0, 1, 0, 1]), rcode: 'FORMERR' },
  { title: 'a label of a reserved kind', bytes: header([1, 0, 0, 0], [0x80, 0, 0, 1, 0, 1]), rcode: 'FORMERR' },
  {
    title: 'a name of more than 255 bytes',
    bytes: header(
      [1, 0, 0, 0],
      [...Array.from({ length: 5 }, () => [63, ...Buffer.alloc(63, 0x61)]).flat(), 0, 0, 1, 0, 1],
    ),
    rcode: 'FORMERR',
  },
  { title: 'records that are not there', bytes: patched(bytes => bytes.writeUInt16BE(9, 10)), rcode: 'FORMERR' },
  {
    title: 'more than any query has',
    bytes: Buffer.concat([queryBytes('a.mesh'), Buffer.alloc(5000)]),
    rcode: 'FORMERR',
  },
]

for (const { title, bytes, rcode } of malformed) {
  t.test(`${title} is ${rcode ?? 'met with silence'}`, async t => {
    const query = readQuery(bytes)
    if (query.kind !== 'bad') throw new Error('was taken for a query')
    if (rcode === undefined) t.equal(query.answer, undefined)
    else t.match(read(query.answer), { rcode, id: bytes.readUInt16BE(0) })
  })
}

t.test('a label with a dot inside is not mistaken for the name it looks like', async t => {
  const bytes = header([1, 0, 0, 0], [11, ...Buffer.from('api.default'), 4, ...Buffer.from('mesh'), 0, 0, 1, 0, 1])
  const query = readQuery(bytes)
  if (query.kind !== 'query') throw new Error('not a query')
  t.equal(query.name, undefined)
  t.ok(writeAnswer(query, 'SERVFAIL').subarray(12).equals(bytes.subarray(12)), 'and comes back byte by byte')
})

t.test('bytes that are no text come back as they were', async t => {
  const bytes = header([1, 0, 0, 0], [2, 0xff, 0xfe, 0, 0, 1, 0, 1])
  const query = readQuery(bytes)
  if (query.kind !== 'query') throw new Error('not a query')
  t.equal(query.name, undefined)
  t.ok(writeAnswer(query, 'SERVFAIL').subarray(12).equals(bytes.subarray(12)))
})

t.test('an answer that is too long for UDP becomes a truncated one with its question', async t => {
  const query = readQuery(queryBytes('api.default.mesh', 'A', 9))
  if (query.kind !== 'query') throw new Error('not a query')
  const answers = Array.from({ length: 60 }, (_, index) => ({
    type: 'A' as const,
    name: 'api.default.mesh',
    ttl: 1,
    data: `10.0.0.${index}`,
  }))
  const whole = writeAnswer(query, 'NOERROR', { authoritative: true, answers })
  const cut = fitUdp(whole, query)
  t.ok(cut.length <= 512)
  t.match(read(cut), { id: 9, flag_tc: true, flag_aa: true, data: [], questions: [{ name: 'api.default.mesh' }] })
  const large = readQuery(queryBytes('api.default.mesh', 'A', 9, 65_535))
  t.equal(large.kind === 'query' && large.udpBytes, 1232, 'nobody gets more than passes every path')
})

t.test('an answer belongs to a query by id and question, in any spelling', async t => {
  const query = queryBytes('www.example.com', 'A', 77)
  t.ok(answersQuery(answerA(query, '192.0.2.1'), query))
  t.ok(answersQuery(answerA(queryBytes('WWW.example.COM', 'A', 77), '192.0.2.1'), query))
  t.notOk(answersQuery(answerA(queryBytes('www.example.com', 'A', 78), '192.0.2.1'), query))
  t.notOk(answersQuery(answerA(queryBytes('www.example.com', 'AAAA', 77), '192.0.2.1'), query))
  t.notOk(answersQuery(query, query), 'a query is no answer')
})
