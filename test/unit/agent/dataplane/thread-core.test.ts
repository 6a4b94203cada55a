import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { aConfig, anEndpoint, aPlainEndpoint, aService, aWorkload, opaquePorts } from '../../../support/agent-config.ts'
import { aLocalServer, aMeshedPair, aThread, exchange, identityOf } from '../../../support/data-threads.ts'
import { eventually, until } from '../../../support/eventually.ts'

const echo = (socket: Socket) => socket.pipe(socket)

t.test('carries a connection over HBONE, with half-close in both directions', async t => {
  const port = await aLocalServer(t, socket => {
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    // Answers only after the caller has finished: the half-close must have come through.
    socket.on('end', () => socket.end(`got ${Buffer.concat(chunks)}`))
  })
  const pair = await aMeshedPair(t, port)
  t.strictSame(await exchange(pair.outboundPort, 'hello'), { text: 'got hello' })
})

t.test('many connections share one session', async t => {
  const port = await aLocalServer(t, echo)
  const pair = await aMeshedPair(t, port)
  const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => exchange(pair.outboundPort, `n${at}`)))
  t.strictSame(
    answers.map(answer => answer.text),
    Array.from({ length: 50 }, (_, at) => `n${at}`),
  )
  t.equal(pair.caller.report().gauges.pooledSessions, 1)
})

t.test('carries bulk unchanged both ways, under back-pressure', async t => {
  const port = await aLocalServer(t, echo)
  const pair = await aMeshedPair(t, port)
  const body = randomBytes(24 * 1024 * 1024)
  const { text } = await exchange(pair.outboundPort, body)
  const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
  t.equal(hash(Buffer.from(text, 'latin1')), hash(body))
})

t.test('a slow reader holds its writer back', async t => {
  let written = 0
  const port = await aLocalServer(t, socket => {
    const chunk = Buffer.alloc(64 * 1024)
    const pump = () => {
      while (socket.write(chunk)) written += chunk.length
      written += chunk.length
    }
    socket.on('drain', pump)
    pump()
  })
  const pair = await aMeshedPair(t, port)
  const socket = connect({ port: pair.outboundPort, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  socket.pause()
  let before = -1
  await eventually(() => {
    const settled = written > 0 && written === before
    before = written
    if (!settled) throw new Error('still filling')
  })
  t.ok(written < 40 * 1024 * 1024, `${written} bytes went in before the writer was stopped`)
})

t.test('a reset of the called side reaches the caller as a reset', async t => {
  const port = await aLocalServer(t, socket => socket.once('data', () => socket.resetAndDestroy()))
  const pair = await aMeshedPair(t, port)
  t.equal((await exchange(pair.outboundPort, 'x')).error, 'ECONNRESET')
})

t.test('a reset of the calling side reaches the called one as a reset', async t => {
  let seen: string | undefined
  const port = await aLocalServer(t, socket => {
    socket.resume()
    socket.on('error', (error: NodeJS.ErrnoException) => {
      seen = error.code
    })
  })
  const pair = await aMeshedPair(t, port)
  const socket = connect({ port: pair.outboundPort, host: '127.0.0.1' })
  socket.write('x')
  await until('the connection is open', () => pair.callee.report().gauges.openConnections === 1)
  socket.resetAndDestroy()
  await until('the called side is reset', () => seen === 'ECONNRESET')
  t.equal(seen, 'ECONNRESET')
})

t.test('both sides log and count the connection with both identities', async t => {
  const port = await aLocalServer(t, echo)
  const folder = t.testdir()
  const accessLog = { caller: join(folder, 'caller.log'), callee: join(folder, 'callee.log') }
  const pair = await aMeshedPair(t, port, { accessLog })
  await exchange(pair.outboundPort, 'hello')
  for (const [side, file] of Object.entries(accessLog)) {
    const line = await eventually(() => JSON.parse(readFileSync(file, 'utf8').split('\n')[0] ?? ''))
    t.match(line, {
      verdict: 'allowed',
      reason: 'OK',
      direction: side === 'caller' ? 'outbound' : 'inbound',
      'src.identity': identityOf('web'),
      'src.workload': 'web-1',
      'dst.identity': identityOf('api'),
      'dst.service': 'api.default.mesh',
      'dst.workload': 'api-1',
      bytes_sent: 5,
      bytes_recv: 5,
    })
  }
  for (const core of [pair.caller, pair.callee]) {
    t.match(core.report().tcp, [
      {
        opened: 1,
        closed: 1,
        sentBytes: 5,
        receivedBytes: 5,
        labels: {
          source_principal: identityOf('web'),
          source_workload: 'web-1',
          destination_principal: identityOf('api'),
          destination_service: 'api.default.mesh',
          connection_security_policy: 'mutual_tls',
        },
      },
    ])
  }
})

const refused = async (pair: Awaited<ReturnType<typeof aMeshedPair>>, reason: string) => {
  const answer = await exchange(pair.outboundPort, 'secret')
  t.match(answer, { text: '', error: 'ECONNRESET' }, reason)
  await eventually(() => {
    const found = pair.caller.report().refused.map(one => one.reason)
    if (!found.includes(reason)) throw new Error(`refused for ${found.join()}, not ${reason}`)
  })
}

t.test('refuses an endpoint that proves another identity, before a byte of payload', async t => {
  let bytes = 0
  const port = await aLocalServer(t, socket => socket.on('data', chunk => (bytes += chunk.length)))
  const pair = await aMeshedPair(t, port)
  const impostor = { ...pair.mesh.credential('other') }
  pair.callee.credentials([impostor])
  await refused(pair, 'PEER_IDENTITY')
  t.equal(bytes, 0)
})

t.test('refuses a peer of another root', async t => {
  const port = await aLocalServer(t, echo)
  const { aTrustedMesh } = await import('../../../support/data-threads.ts')
  const pair = await aMeshedPair(t, port, { calleeCredentials: [aTrustedMesh().credential('api')] })
  await refused(pair, 'UPSTREAM_TLS')
})

t.test('the called host refuses what it has not declared, and says so to the caller', async t => {
  const port = await aLocalServer(t, echo)
  const pair = await aMeshedPair(t, port, { callee: config => ({ ...config, workloads: [] }) })
  await refused(pair, 'CONNECT_REFUSED')
  t.match(pair.callee.report().refused, [{ direction: 'inbound', reason: 'NOT_DECLARED', count: 1 }])
})

t.test('the called host refuses a port of another identity than the one that was addressed', async t => {
  const port = await aLocalServer(t, echo)
  const pair = await aMeshedPair(t, port, {
    callee: config => ({ ...config, workloads: config.workloads.map(one => ({ ...one, identity: identityOf('db') })) }),
  })
  await refused(pair, 'CONNECT_REFUSED')
  t.match(pair.callee.report().refused, [{ reason: 'WRONG_WORKLOAD' }])
})

t.test('says that a local process does not listen', async t => {
  const port = await aLocalServer(t, echo)
  const pair = await aMeshedPair(t, port, {
    caller: config => ({
      ...config,
      services: [
        aService({ ports: opaquePorts, endpoints: [anEndpoint({ address: '127.0.0.1', ports: { http: 1 } })] }),
      ],
    }),
    callee: config => ({
      ...config,
      workloads: config.workloads.map(one => ({ ...one, ports: one.ports.map(other => ({ ...other, port: 1 })) })),
    }),
  })
  await refused(pair, 'CONNECT_REFUSED')
  t.match(pair.callee.report().refused, [{ reason: 'LOCAL_CONNECT' }])
})

t.test('refuses without a certificate, without an endpoint, and for an address nobody owns', async t => {
  const port = await aLocalServer(t, echo)
  await refused(await aMeshedPair(t, port, { callerCredentials: [] }), 'NO_CERTIFICATE')
  const without = {
    caller: (config: ReturnType<typeof aConfig>) => ({
      ...config,
      services: [aService({ ports: opaquePorts, endpoints: [] })],
    }),
  }
  await refused(await aMeshedPair(t, port, without), 'NO_HEALTHY_ENDPOINT')
  const nobody = { caller: (config: ReturnType<typeof aConfig>) => ({ ...config, services: [] }) }
  await refused(await aMeshedPair(t, port, nobody), 'NO_ROUTE')
})

t.test('tries the next endpoint when one cannot be reached', async t => {
  const port = await aLocalServer(t, echo)
  const pair = await aMeshedPair(t, port, {
    caller: config => ({
      ...config,
      services: config.services.map(service => ({
        ...service,
        endpoints: [
          ...service.endpoints,
          anEndpoint({ id: 'static/gone', address: '127.0.0.9', ports: { http: port } }),
        ],
      })),
    }),
  })
  for (let count = 0; count < 20; count += 1) t.equal((await exchange(pair.outboundPort, 'hi')).text, 'hi')
})

t.test('an endpoint outside the mesh is reached in plaintext', async t => {
  const port = await aLocalServer(t, echo)
  const originalDst = { address: '240.240.0.1', port: 80 }
  const { core, port: outbound } = await aThread(t, { kind: 'outbound' }, { originalDst })
  const endpoints = [aPlainEndpoint({ address: '127.0.0.1', ports: { http: port } })]
  core.config(aConfig({ services: [aService({ ports: opaquePorts, external: true, endpoints })] }))
  t.equal((await exchange(outbound, 'plain')).text, 'plain')
  t.match(core.report().tcp, [{ labels: { connection_security_policy: 'none' }, sentBytes: 5, receivedBytes: 5 }])
})

t.test('plaintext from outside is served or refused by the port’s mode, also when that changes', async t => {
  const port = await aLocalServer(t, echo)
  const originalDst = { address: '127.0.0.1', port }
  const { core, port: inbound } = await aThread(t, { kind: 'inbound-plaintext' }, { originalDst })
  const withMode = (mtls: 'PERMISSIVE' | 'STRICT') =>
    aConfig({
      workloads: [
        aWorkload({
          address: '127.0.0.1',
          ports: [{ port, protocol: 'tcp', mtls, mtlsFrom: 'default/strict', service: 'default/web' }],
        }),
      ],
    })
  core.config(withMode('PERMISSIVE'))
  t.equal((await exchange(inbound, 'hi')).text, 'hi')
  const open = connect({ port: inbound, host: '127.0.0.1' })
  let cut = false
  open.on('error', () => {
    cut = true
  })
  open.write('x')
  await until('the connection is open', () => core.report().gauges.openConnections === 1)
  core.config(withMode('STRICT'))
  await until('the open one is cut', () => cut)
  t.match(await exchange(inbound, 'hi'), { error: 'ECONNRESET' })
  t.match(core.report().refused, [{ direction: 'inbound', reason: 'MTLS_REQUIRED' }])
})

t.test('a connection that was not intercepted is refused', async t => {
  const { core, port } = await aThread(t, { kind: 'outbound' })
  core.config(aConfig())
  t.match(await exchange(port, 'hi'), { error: 'ECONNRESET' })
  t.match(core.report().refused, [{ reason: 'NOT_REDIRECTED' }])
})

t.test('new certificates retire the session without losing what is open', async t => {
  const port = await aLocalServer(t, echo)
  const pair = await aMeshedPair(t, port)
  const socket = connect({ port: pair.outboundPort, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  socket.write('before ')
  await until('the first answer', () => text === 'before ')
  pair.caller.credentials([pair.mesh.credential('web')])
  t.equal((await exchange(pair.outboundPort, 'new')).text, 'new')
  socket.write('after')
  await until('the second answer', () => text === 'before after')
  t.equal(text, 'before after')
})

t.test('a caller that no rule matched is known by the cgroup its socket was made in', async t => {
  const port = await aLocalServer(t, echo)
  const path = 'system.slice/web.service'
  const pair = await aMeshedPair(t, port, {
    callerCgroup: path,
    role: { kind: 'outbound' },
    caller: config => ({
      ...config,
      workloads: config.workloads.map(one => ({ ...one, callers: [{ kind: 'cgroup', path }] })),
    }),
  })
  t.equal((await exchange(pair.outboundPort, 'hi')).text, 'hi')
  t.match(pair.callee.report().tcp, [{ labels: { source_principal: identityOf('web') } }])
})

t.test('a caller of no workload is refused where the host has no default identity', async t => {
  const port = await aLocalServer(t, echo)
  const pair = await aMeshedPair(t, port, {
    callerCgroup: 'user.slice',
    role: { kind: 'outbound' },
    caller: config => ({
      ...config,
      workloads: config.workloads.map(one => ({
        ...one,
        callers: [{ kind: 'cgroup', path: 'system.slice/web.service' }],
      })),
    }),
  })
  await refused(pair, 'UNKNOWN_CALLER')
})
