import t from 'tap'
import { dialFrom, program } from './captured-host.ts'
import { createWorld } from './world.ts'

t.test('worker threads read where redirected connections of both families were going', async t => {
  const { hosts } = await createWorld(t, { hosts: ['h1', 'h2'] })
  const { h1, h2 } = hosts
  for (const tables of ['iptables', 'ip6tables']) {
    for (const chain of ['OUTPUT', 'PREROUTING']) {
      await h1.must(tables, [
        '-t',
        'nat',
        '-A',
        chain,
        '-p',
        'tcp',
        '--dport',
        '8080',
        '-j',
        'REDIRECT',
        '--to-ports',
        '15001',
      ])
    }
  }
  const server = h1.spawn(process.execPath, [program('threaded-listener')])
  await server.line('listening')
  for (const address of [h2.address4, h2.address6, '127.0.0.1', '::1', h1.address6]) {
    t.equal(await dialFrom(h1, address, 8080), `${address} 8080`)
    t.equal(await dialFrom(h1, address, 8080), `${address} 8080`)
  }
  for (const address of [h1.address4, h1.address6]) {
    t.equal(await dialFrom(h2, address, 8080), `${address} 8080`, 'also from outside')
    t.equal(await dialFrom(h2, address, 15001), 'direct')
  }
})
