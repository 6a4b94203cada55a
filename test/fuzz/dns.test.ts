import fc from 'fast-check'
import t from 'tap'
import { answersQuery, fitUdp, readQuery, writeAnswer } from '../../agent/dns/message.ts'
import { answerOf, prepareNames } from '../../agent/dns/names.ts'
import { parseResolvConf } from '../../agent/dns/resolv-conf.ts'
import { readFrames } from '../../agent/dns/tcp-frames.ts'
import { queryBytes } from '../support/dns-client.ts'

const names = prepareNames({ names: new Map([['api.default.mesh', { v4: ['240.240.0.1'], v6: [] }]]) })

/** Any bytes, and real queries with some of their bytes changed, cut or added to. */
const hostile = fc.oneof(
  fc.uint8Array({ maxLength: 600 }).map(bytes => Buffer.from(bytes)),
  fc
    .tuple(
      fc.constantFrom('api.default.mesh', 'www.example.com', 'mesh', '.'),
      fc.constantFrom(1, 7),
      fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 12 }),
      fc.nat(80),
      fc.uint8Array({ maxLength: 40 }),
    )
    .map(([name, id, changes, length, more]) => {
      const bytes = Buffer.from(queryBytes(name, 'A', id, 1232))
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
      return Buffer.concat([length > 40 ? bytes : bytes.subarray(0, length), more])
    }),
)

t.test('no bytes make the reader of queries throw, and every answer is for its sender', async t => {
  fc.assert(
    fc.property(hostile, bytes => {
      const query = readQuery(bytes)
      if (query.kind === 'bad')
        return query.answer === undefined || query.answer.readUInt16BE(0) === bytes.readUInt16BE(0)
      const own = answerOf(query, 'mesh', names, () => 0.5) ?? writeAnswer(query, 'SERVFAIL')
      const fitting = fitUdp(own, query)
      return fitting.length <= query.udpBytes && fitting.readUInt16BE(0) === query.id && answersQuery(fitting, bytes)
    }),
    { numRuns: 5_000 },
  )
  t.pass('5000 messages')
})

t.test('no bytes are taken for an answer to a question they do not hold', async t => {
  const asked = queryBytes('www.example.com', 'A', 7)
  fc.assert(
    fc.property(hostile, bytes => {
      if (!answersQuery(bytes, asked)) return true
      const holds = bytes.toString('latin1').toLowerCase().includes(asked.subarray(12).toString('latin1'))
      return bytes.readUInt16BE(0) === 7 && (holds || bytes.readUInt16BE(4) === 0)
    }),
    { numRuns: 5_000 },
  )
  t.pass('5000 messages')
})

t.test('streams of any bytes in any pieces never throw and never hold more than one message', async t => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), chunks => {
      const read = readFrames(4096)
      return chunks.every(chunk => (read(Buffer.from(chunk)) ?? []).every(message => message.length <= 4096))
    }),
  )
  t.pass('any stream')
})

t.test('any text is a resolv.conf that names at most three servers', async t => {
  fc.assert(fc.property(fc.string(), text => parseResolvConf(`nameserver ${text}`).servers.length <= 3))
  t.pass('any text')
})
