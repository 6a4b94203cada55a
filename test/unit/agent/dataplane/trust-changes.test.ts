import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { ThreadCore } from '../../../../agent/dataplane/thread-core.ts'
import { spkiHash } from '../../../../mesh/identity/keys.ts'
import { systemRandom } from '../../../../mesh/std/clock.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { aConfig, aWorkload } from '../../../support/agent-config.ts'
import { aLocalServer, aMeshedPair, aTrustedMesh, exchange, identityOf } from '../../../support/data-threads.ts'
import { until } from '../../../support/eventually.ts'
import { dialHbone } from '../../../support/hbone-peer.ts'

/** A connection through a pair that echoes. */
async function anOpenConnection(t: Test, pair: Awaited<ReturnType<typeof aMeshedPair>>) {
  const socket = connect({ port: pair.outboundPort, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  let text = ''
  let closed = false
  socket.on('data', chunk => {
    text += chunk
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    closed = true
  })
  socket.write('ping ')
  await until('the first answer', () => text === 'ping ')
  return { socket, text: () => text, closed: () => closed }
}

const anEchoPair = async (t: Test) => {
  const port = await aLocalServer(t, socket => socket.pipe(socket))
  let callerConfig = aConfig({})
  const pair = await aMeshedPair(t, port, {
    caller(config) {
      callerConfig = config
      return config
    },
  })
  const apiWorkload = aWorkload({
    id: 'static/api-1',
    name: 'api-1',
    address: '127.0.0.1',
    identity: identityOf('api'),
    ports: [{ port, protocol: 'tcp', mtls: 'PERMISSIVE', mtlsFrom: 'default', service: 'default/api' }],
  })
  return { ...pair, port, apiWorkload, callerConfig }
}

t.test('a root that is added cuts nothing', async t => {
  const pair = await anEchoPair(t)
  const open = await anOpenConnection(t, pair)
  const roots = [...pair.mesh.trust.roots, ...aTrustedMesh().trust.roots]
  pair.callee.config(aConfig({ trust: { ...pair.mesh.trust, sequence: 2, roots }, workloads: [pair.apiWorkload] }))
  open.socket.write('pong')
  await until('the second answer', () => open.text() === 'ping pong')
  t.notOk(open.closed())
})

t.test('a root that is removed cuts what was opened under it, where the connection arrives', async t => {
  const pair = await anEchoPair(t)
  const open = await anOpenConnection(t, pair)
  const { roots } = aTrustedMesh().trust
  pair.callee.config(aConfig({ trust: { ...pair.mesh.trust, sequence: 2, roots }, workloads: [pair.apiWorkload] }))
  await until('the connection is cut', open.closed)
  await until('nothing is left', () => pair.callee.report().gauges.pooledSessions === 0)
  t.equal(pair.callee.report().gauges.openConnections, 0)
})

t.test('a root that is removed cuts what was opened under it, where the connection comes from', async t => {
  const pair = await anEchoPair(t)
  const open = await anOpenConnection(t, pair)
  const { roots } = aTrustedMesh().trust
  pair.caller.config(aConfig({ trust: { ...pair.mesh.trust, sequence: 2, roots } }))
  await until('the connection is cut', open.closed)
  t.equal(pair.caller.report().gauges.openConnections, 0)
})

t.test('a root that goes in good order cuts nothing, and believes nobody who comes after it', async t => {
  const pair = await anEchoPair(t)
  const open = await anOpenConnection(t, pair)
  const { roots } = aTrustedMesh().trust
  const trust = { ...pair.mesh.trust, sequence: 2, roots, retired: pair.mesh.trust.roots }
  pair.caller.config(aConfig({ trust }))
  pair.callee.config(aConfig({ trust, workloads: [pair.apiWorkload] }))
  // Somebody else being banned makes every session be judged again.
  const stricter = { ...trust, sequence: 3, bannedIdentities: [identityOf('other')] }
  pair.callee.config(aConfig({ trust: stricter, workloads: [pair.apiWorkload] }))
  open.socket.write('pong')
  await until('the second answer', () => open.text() === 'ping pong')
  t.notOk(open.closed())
  const credential = pair.mesh.credential('web')
  const late = await dialHbone(t, { port: pair.calleePort, roots: pair.mesh.trust.roots, credential })
  await until('who comes later is refused', late.closed)
  pair.callee.config(aConfig({ trust: { ...stricter, sequence: 4, retired: [] }, workloads: [pair.apiWorkload] }))
  await until('what is open is cut when it is not even that any more', open.closed)
})

t.test('a ban of an identity cuts what it has open where it arrives, and refuses it from then on', async t => {
  const pair = await anEchoPair(t)
  const open = await anOpenConnection(t, pair)
  const trust = { ...pair.mesh.trust, sequence: 2, bannedIdentities: [identityOf('web')] }
  pair.callee.config(aConfig({ trust, workloads: [pair.apiWorkload] }))
  await until('the connection is cut', open.closed)
  const peer = await dialHbone(t, {
    port: pair.calleePort,
    roots: pair.mesh.trust.roots,
    credential: pair.mesh.credential('web'),
  })
  await until('the next one is refused', peer.closed)
  t.equal(pair.callee.report().gauges.pooledSessions, 0)
  const again = { ...pair.mesh.trust, sequence: 3 }
  pair.callee.config(aConfig({ trust: again, workloads: [pair.apiWorkload] }))
  t.equal((await exchange(pair.outboundPort, 'hi')).text, 'hi', 'and let in again when the ban is lifted')
})

t.test('a ban of a key refuses the host that has it, and nobody else of the same identity', async t => {
  const pair = await anEchoPair(t)
  const banned = pair.mesh.credential('web')
  const dial = (credential: typeof banned) =>
    dialHbone(t, { port: pair.calleePort, roots: pair.mesh.trust.roots, credential })
  const before = await dial(banned)
  await until('the session is there', () => pair.callee.report().gauges.pooledSessions === 1)
  const trust = { ...pair.mesh.trust, sequence: 2, bannedKeys: [spkiHash(banned.chain)] }
  pair.callee.config(aConfig({ trust, workloads: [pair.apiWorkload] }))
  await until('what it had is cut', before.closed)
  const after = await dial(banned)
  await until('what it tries is refused', after.closed)
  const other = await dial(pair.mesh.credential('web'))
  const answer = other.request([':method', 'CONNECT', ':authority', `127.0.0.1:${pair.port}`])
  await until('another host is served', () => answer.status() === '200')
})

t.test('a ban of an identity cuts what is open to it, and nothing is sent there any more', async t => {
  const pair = await anEchoPair(t)
  const open = await anOpenConnection(t, pair)
  const trust = { ...pair.mesh.trust, sequence: 2, bannedIdentities: [identityOf('api')] }
  pair.caller.config({ ...pair.callerConfig, trust })
  await until('the connection is cut', open.closed)
  t.equal((await exchange(pair.outboundPort, 'hi')).text, '', 'and nothing is sent there')
  pair.caller.config({ ...pair.callerConfig, trust: { ...pair.mesh.trust, sequence: 3 } })
  t.equal((await exchange(pair.outboundPort, 'hi')).text, 'hi', 'before the ban is lifted')
})

t.test('a root that is removed cuts sessions that were retired before, too', async t => {
  const pair = await anEchoPair(t)
  const open = await anOpenConnection(t, pair)
  pair.caller.credentials([pair.mesh.credential('web')])
  const { roots } = aTrustedMesh().trust
  pair.caller.config(aConfig({ trust: { ...pair.mesh.trust, sequence: 2, roots } }))
  await until('the connection is cut', open.closed)
  t.equal(pair.caller.report().gauges.openConnections, 0)
})

t.test('an identity that leaves the host takes no more tunnels, and what is open goes on', async t => {
  const pair = await anEchoPair(t)
  const peer = await dialHbone(t, {
    port: pair.calleePort,
    roots: pair.mesh.trust.roots,
    credential: pair.mesh.credential('web'),
  })
  const answer = peer.request([':method', 'CONNECT', ':authority', `127.0.0.1:${pair.port}`])
  await until('the tunnel is open', () => answer.status() === '200')
  pair.callee.credentials([])
  await until('the peer is told', () => peer.goaways.length > 0)
  answer.stream.write(Buffer.from('still here'))
  await until('the open tunnel echoes', () => answer.text() === 'still here')
  t.notOk(peer.connection.canOpen())
})

t.test('new certificates while a session connects lose no connection', async t => {
  const pair = await anEchoPair(t)
  for (let round = 0; round < 10; round += 1) {
    const answers = Promise.all([1, 2, 3].map(() => exchange(pair.outboundPort, 'hi')))
    await new Promise(setImmediate)
    await new Promise(setImmediate)
    pair.caller.credentials([pair.mesh.credential('web')])
    for (const answer of await answers) t.equal(answer.text, 'hi')
  }
})

t.test('no session outlives the certificate of the peer, however far away its end is', async t => {
  const clock = new FakeClock(Date.now())
  const core = new ThreadCore({}, clock, systemRandom, {
    originalDst: () => undefined,
    callerOf: async () => undefined,
  })
  const [bound] = await core.listen([{ name: 'only', role: { kind: 'hbone' }, host: '127.0.0.1', port: 0 }])
  const mesh = aTrustedMesh()
  core.config(aConfig({ trust: mesh.trust, workloads: [aWorkload({ identity: identityOf('api') })] }))
  core.credentials([mesh.credential('api')])
  const credential = mesh.credential('web')
  const peer = await dialHbone(t, { port: bound?.port ?? 0, roots: mesh.trust.roots, credential })
  await until('the session is there', () => core.report().gauges.pooledSessions === 1)
  // The wall clock goes on while timers stand still: a machine that slept.
  clock.jump(25 * 3_600_000)
  await clock.advance(60_000)
  await until('the session is closed', peer.closed)
  t.equal(core.report().gauges.pooledSessions, 0)
  const ended = core.drain(0)
  await clock.advance(2_000)
  await ended
})
