import { createServer } from 'node:net'
import { encode } from 'dns-packet'
import t, { type Test } from 'tap'
import { type Dns, type DnsOptions, startDns } from '../../../../agent/dns/dns.ts'
import type { NameTable } from '../../../../agent/dns/names.ts'
import { systemClock, systemRandom } from '../../../../mesh/std/clock.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { answerA, askTcp, askUdp, framed, queryBytes, read, startNameServer } from '../../../support/dns-client.ts'
import { eventually } from '../../../support/eventually.ts'

const table: NameTable = {
  names: new Map([
    ['api.default.mesh', { v4: ['240.240.0.1'], v6: ['fd00:240::1'] }],
    ['four.default.mesh', { v4: ['240.240.0.4'], v6: [] }],
    ['billing.example.com', { v4: ['240.240.0.9'], v6: [] }],
    ['*.shop.example.com', { v4: ['240.240.0.10'], v6: [] }],
  ]),
}
const deps = { log: silentLog, clock: systemClock, random: systemRandom }

async function start(t: Test, options: Partial<DnsOptions> = {}): Promise<Dns & { v4: string; v6: string }> {
  const listen = [
    { host: '127.0.0.1', port: 0 },
    { host: '::1', port: 0 },
  ]
  const dns = await startDns(deps, { zone: 'mesh', upstreams: [], listen, ...options })
  t.teardown(() => dns.stop())
  return { ...dns, v4: dns.addresses['127.0.0.1'] ?? '', v6: dns.addresses['::1'] ?? '' }
}

t.test('known names are answered with authority over UDP and TCP, IPv4 and IPv6', async t => {
  const dns = await start(t)
  dns.update(table)
  for (const address of [dns.v4, dns.v6]) {
    const udp = read(await askUdp(address, queryBytes('api.default.mesh')))
    t.match(udp, { id: 4242, rcode: 'NOERROR', flag_aa: true, data: ['240.240.0.1'] })
    t.equal(udp.answers?.[0] && 'ttl' in udp.answers[0] ? udp.answers[0].ttl : undefined, 30)
    const [tcp] = await askTcp(address, framed(queryBytes('api.default.mesh', 'AAAA')))
    t.match(read(tcp), { rcode: 'NOERROR', flag_aa: true, data: ['fd00:240::1'] })
  }
  t.match(dns.counts(), { answered: 4, forwarded: 0 })
})

t.test('names are found in any spelling, and the question comes back as it was asked', async t => {
  const dns = await start(t)
  dns.update(table)
  const answer = read(await askUdp(dns.v4, queryBytes('aPi.DeFault.MESH')))
  t.same(answer.data, ['240.240.0.1'])
  t.equal(answer.questions?.[0]?.name, 'aPi.DeFault.MESH')
})

t.test('a missing family has no answers, and a missing name does not exist', async t => {
  const dns = await start(t)
  dns.update(table)
  const missing = read(await askUdp(dns.v4, queryBytes('four.default.mesh', 'AAAA')))
  t.match(missing, { rcode: 'NOERROR', data: [], flag_aa: true })
  t.match(read(await askUdp(dns.v4, queryBytes('api.default.mesh', 'TXT'))), { rcode: 'NOERROR', data: [] })
  t.match(read(await askUdp(dns.v4, queryBytes('api.default.mesh', 'UNKNOWN_65' as 'A'))), { rcode: 'NOERROR' })
  const unknown = read(await askUdp(dns.v4, queryBytes('nobody.default.mesh')))
  t.match(unknown, { rcode: 'NXDOMAIN', flag_aa: true })
  t.equal(unknown.authorities?.[0]?.type, 'SOA', 'so that it may be remembered, for a short time')
  t.match(read(await askUdp(dns.v4, queryBytes('default.mesh'))), { rcode: 'NOERROR' }, 'something lies below it')
  t.match(read(await askUdp(dns.v4, queryBytes('mesh'))), { rcode: 'NOERROR' })
})

t.test('declared names outside the zone are ours, also by wildcard, and their neighbours are not', async t => {
  const upstream = await startNameServer(t, query => [answerA(query, '192.0.2.7')])
  const dns = await start(t, { upstreams: [upstream] })
  dns.update(table)
  t.same(read(await askUdp(dns.v4, queryBytes('billing.example.com'))).data, ['240.240.0.9'])
  t.match(read(await askUdp(dns.v4, queryBytes('billing.example.com', 'AAAA'))), { rcode: 'NOERROR', data: [] })
  t.same(read(await askUdp(dns.v4, queryBytes('a.b.shop.example.com'))).data, ['240.240.0.10'])
  t.same(read(await askUdp(dns.v4, queryBytes('www.example.com'))).data, ['192.0.2.7'])
  t.same(read(await askUdp(dns.v4, queryBytes('notmesh'))).data, ['192.0.2.7'], 'the zone is a whole label')
})

t.test('before the first table the zone is SERVFAIL and everything else works', async t => {
  const upstream = await startNameServer(t, query => [answerA(query, '192.0.2.7')])
  const dns = await start(t, { upstreams: [upstream] })
  t.match(read(await askUdp(dns.v4, queryBytes('api.default.mesh'))), { rcode: 'SERVFAIL' })
  t.same(read(await askUdp(dns.v4, queryBytes('www.example.com'))).data, ['192.0.2.7'])
})

t.test('other names are handed on over the same protocol, each under an id and a port of its own', async t => {
  const upstream = await startNameServer(t, query => [answerA(query, '192.0.2.7')])
  const dns = await start(t, { upstreams: [upstream] })
  for (let count = 0; count < 20; count += 1) {
    t.match(read(await askUdp(dns.v4, queryBytes('www.example.com', 'A', 7))), { id: 7, data: ['192.0.2.7'] })
  }
  const [tcp] = await askTcp(dns.v6, framed(queryBytes('www.example.com', 'A', 8)))
  t.match(read(tcp), { id: 8, data: ['192.0.2.7'] })
  t.equal(upstream.seen.at(-1)?.protocol, 'tcp')
  t.ok(new Set(upstream.seen.map(({ bytes }) => bytes.readUInt16BE(0))).size > 15)
  t.ok(new Set(upstream.seen.map(({ port }) => port)).size > 5)
  const sent = upstream.seen[0]?.bytes
  t.ok(sent?.subarray(2).equals(queryBytes('www.example.com').subarray(2)), 'nothing else is changed')
})

t.test('forged answers are not believed: wrong id, wrong question, no response', async t => {
  const upstream = await startNameServer(t, query => {
    const wrongId = answerA(query, '203.0.113.1')
    wrongId.writeUInt16BE((query.readUInt16BE(0) + 1) & 0xffff, 0)
    const wrongName = answerA(queryBytes('www.examplf.com', 'A', query.readUInt16BE(0)), '203.0.113.2')
    const stub = query.subarray(0, 5)
    return [wrongId, wrongName, query, stub, answerA(query, '192.0.2.7')]
  })
  const dns = await start(t, { upstreams: [upstream] })
  t.same(read(await askUdp(dns.v4, queryBytes('www.example.com'))).data, ['192.0.2.7'])
  const [tcp] = await askTcp(dns.v4, framed(queryBytes('www.example.com')))
  t.same(read(tcp).data, ['192.0.2.7'])
})

t.test(
  'an answer cut off over UDP is fetched over TCP, and cut off again only for a client that cannot take it',
  async t => {
    const many = (query: Buffer) =>
      encode({
        type: 'response',
        id: query.readUInt16BE(0),
        questions: [{ type: 'A', name: 'many.example.com' }],
        answers: Array.from({ length: 40 }, (_, index) => ({
          type: 'A',
          name: 'many.example.com',
          ttl: 1,
          data: `192.0.2.${index}`,
        })),
      })
    const cut = (query: Buffer) => answerA(query, '192.0.2.1', 0x8380)
    const upstream = await startNameServer(t, (query, protocol) => [protocol === 'udp' ? cut(query) : many(query)])
    const dns = await start(t, { upstreams: [upstream] })
    t.equal(read(await askUdp(dns.v4, queryBytes('many.example.com', 'A', 1, 1232))).data.length, 0)
    const small = read(await askUdp(dns.v4, queryBytes('many.example.com')))
    t.match(small, { flag_tc: true, data: [] })
    const [tcp] = await askTcp(dns.v4, framed(queryBytes('many.example.com')))
    t.equal(read(tcp).data.length, 40)
  },
)

t.test('a server that is silent, dead or refuses is passed over, and with none left it is SERVFAIL', async t => {
  const silent = await startNameServer(t, () => [])
  const refusing = await startNameServer(t, query => [answerA(query, '192.0.2.1', 0x8185)])
  const good = await startNameServer(t, query => [answerA(query, '192.0.2.7')])
  const dead = { host: '127.0.0.1', port: 1 }
  const dns = await start(t, { upstreams: [dead, silent, refusing, good], timeoutMs: 800 })
  t.same(read(await askUdp(dns.v4, queryBytes('www.example.com'))).data, ['192.0.2.7'])
  const [tcp] = await askTcp(dns.v4, framed(queryBytes('www.example.com')))
  t.same(read(tcp).data, ['192.0.2.7'])
  const lonely = await start(t, { upstreams: [silent], timeoutMs: 50 })
  t.match(read(await askUdp(lonely.v4, queryBytes('www.example.com'))), { id: 4242, rcode: 'SERVFAIL' })
  const nobody = await start(t, { upstreams: [] })
  t.match(read(await askUdp(nobody.v4, queryBytes('www.example.com'))), { rcode: 'SERVFAIL' })
  t.match(nobody.counts(), { forwarded: 1, failed: 1 })
})

t.test('only so many forwarded queries wait at a time, and the mesh is answered all the while', async t => {
  const silent = await startNameServer(t, () => [])
  const dns = await start(t, { upstreams: [silent], maxOutstanding: 3, timeoutMs: 600_000 })
  dns.update(table)
  const waiting = [1, 2, 3].map(id => askUdp(dns.v4, queryBytes('slow.example.com', 'A', id), 200))
  await eventually(() => {
    if (silent.seen.length < 3) throw new Error('not there yet')
  })
  t.match(read(await askUdp(dns.v4, queryBytes('one-more.example.com'))), { rcode: 'SERVFAIL' })
  t.match(read(await askUdp(dns.v4, queryBytes('api.default.mesh'))), { rcode: 'NOERROR' })
  await Promise.all(waiting)
})

t.test('a TCP client may send several queries at once and in pieces', async t => {
  const dns = await start(t)
  dns.update(table)
  const all = Buffer.concat([1, 2, 3].map(id => framed(queryBytes('api.default.mesh', 'A', id))))
  const answers = await askTcp(dns.v4, all, 3)
  t.same(answers.map(answer => answer.readUInt16BE(0)).toSorted(), [1, 2, 3])
})

t.test('a TCP client that announces more than a query can have is cut off', async t => {
  const dns = await start(t)
  t.same(await askTcp(dns.v4, Buffer.from([0xff, 0xff, 1, 2, 3])), [])
})

t.test('a TCP client that says nothing, or only half a query, is let go after a while', async t => {
  const clock = new FakeClock()
  const dns = await startDns(
    { ...deps, clock },
    { zone: 'mesh', upstreams: [], listen: [{ host: '127.0.0.1', port: 0 }] },
  )
  t.teardown(() => dns.stop())
  const address = dns.addresses['127.0.0.1'] ?? ''
  const gone = [
    askTcp(address, Buffer.alloc(0)),
    askTcp(address, framed(queryBytes('api.default.mesh')).subarray(0, 9)),
  ]
  await eventually(() => {
    if (clock.pending < 2) throw new Error('not connected yet')
  })
  await clock.advance(10_000)
  t.same(await Promise.all(gone), [[], []])
})

t.test('a port that is taken is told with where it is', async t => {
  const holder = createServer()
  await new Promise<void>(resolve => holder.listen(0, '127.0.0.1', resolve))
  t.teardown(() => holder.close())
  const address = holder.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const listen = [{ host: '127.0.0.1', port: address.port }]
  await t.rejects(startDns(deps, { zone: 'mesh', listen }), { code: 'WEFT_LISTEN', fields: { port: address.port } })
})

t.test('stopping twice is harmless, and nothing answers afterwards', async t => {
  const dns = await start(t)
  await dns.stop()
  await dns.stop()
  t.equal(await askUdp(dns.v4, queryBytes('api.default.mesh'), 100), undefined)
})
