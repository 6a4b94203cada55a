import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { leadsTo, systemUpstreams } from '../../../../agent/dns/upstreams.ts'
import { FakeClock } from '../../../fakes/clock.ts'

t.test('the servers of resolv.conf are read again after a change, whichever way it was written', async t => {
  const clock = new FakeClock()
  const directory = t.testdir({ 'resolv.conf': 'nameserver 192.0.2.1\n' })
  const path = join(directory, 'resolv.conf')
  const upstreams = systemUpstreams(path, clock, () => false)
  t.same(upstreams(), [{ host: '192.0.2.1', port: 53 }])
  writeFileSync(path, 'nameserver 192.0.2.20\n')
  t.same(upstreams(), [{ host: '192.0.2.1', port: 53 }], 'the file is not looked at for every query')
  await clock.advance(1_000)
  t.same(upstreams(), [{ host: '192.0.2.20', port: 53 }])
  writeFileSync(`${path}.new`, 'nameserver 192.0.2.30\n')
  renameSync(`${path}.new`, path)
  await clock.advance(1_000)
  t.same(upstreams(), [{ host: '192.0.2.30', port: 53 }])
  t.same(systemUpstreams(join(directory, 'none'), clock, () => false)(), [])
})

t.test('a resolver never asks itself', async t => {
  const clock = new FakeClock()
  const path = join(t.testdir({ 'resolv.conf': 'nameserver 127.0.0.1\nnameserver 192.0.2.1\n' }), 'resolv.conf')
  const own = [{ host: '127.0.0.1', port: 53 }]
  t.same(systemUpstreams(path, clock, upstream => leadsTo(own, upstream))(), [{ host: '192.0.2.1', port: 53 }])
  t.ok(leadsTo([{ host: '0.0.0.0', port: 53 }], { host: '127.0.0.53', port: 53 }))
  t.ok(leadsTo([{ host: '::', port: 53 }], { host: '::1', port: 53 }))
  t.notOk(leadsTo([{ host: '127.0.0.1', port: 15053 }], { host: '127.0.0.1', port: 53 }))
  t.notOk(leadsTo([{ host: '0.0.0.0', port: 53 }], { host: '192.0.2.1', port: 53 }))
})
