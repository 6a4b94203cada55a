import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import type { LocalPort } from '../../../../../mesh/model/agent-config.ts'
import type { PolicyConfig } from '../../../../../mesh/model/policy.ts'
import { aConfig, aWorkload } from '../../../../support/agent-config.ts'
import { aLocalServer, aMeshedPair, aThread, exchange, identityOf } from '../../../../support/data-threads.ts'
import { until } from '../../../../support/eventually.ts'
import { anAuthorization, fromCaller, policiesOf } from '../../../../support/policy-config.ts'

const echo = (socket: Socket) => socket.pipe(socket)
const logOf = (path: string) =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line): Readonly<Record<string, unknown>> => JSON.parse(line))

function apiAt(port: number, values: Partial<LocalPort> = {}) {
  const base = { port, protocol: 'tcp', mtls: 'PERMISSIVE', mtlsFrom: 'default', service: 'default/api' } as const
  const address = { address: '127.0.0.1', identity: identityOf('api') }
  return aWorkload({ id: 'static/api-1', name: 'api-1', ...address, ports: [{ ...base, ...values }] })
}

/** An open connection, and whether it was cut. */
async function opened(port: number) {
  const socket = connect({ port, host: '127.0.0.1' })
  const seen = { heard: 0, error: '' }
  socket.on('data', chunk => {
    seen.heard += chunk.length
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    seen.error = error.code ?? error.message
  })
  socket.write('x')
  await until('the connection is open', () => seen.heard === 1)
  return { seen, socket }
}

t.test('a caller that no policy allows gets no byte through, and both sides say why', async t => {
  let reached = 0
  const port = await aLocalServer(t, socket => {
    reached += 1
    echo(socket)
  })
  const accessLog = { caller: join(t.testdir(), 'caller'), callee: join(t.testdirName, 'callee') }
  const denied = anAuthorization('not-web', { action: 'DENY', rules: [fromCaller('web')] })
  const pair = await aMeshedPair(t, port, {
    accessLog,
    callee: config => ({ ...config, policies: policiesOf(denied) }),
  })
  t.match(await exchange(pair.outboundPort, 'hi'), { text: '', error: 'ECONNRESET' })
  t.equal(reached, 0)
  t.match(pair.callee.report().refused, [{ direction: 'inbound', reason: 'AUTHORIZATION_DENIED', count: 1 }])
  t.match(pair.caller.report().refused, [{ direction: 'outbound', reason: 'AUTHORIZATION_DENIED', count: 1 }])
  pair.callee.config(
    aConfig({
      trust: pair.mesh.trust,
      workloads: [apiAt(port)],
      policies: policiesOf(anAuthorization('web', { rules: [fromCaller('web')] })),
    }),
  )
  t.equal((await exchange(pair.outboundPort, 'hi')).text, 'hi')
  await Promise.all([pair.caller.drain(0), pair.callee.drain(0)])
  t.match(logOf(accessLog.callee), [
    { verdict: 'refused', policy: 'default/not-web rule 0', detail: 'denied by default/not-web rule 0' },
    { verdict: 'allowed', policy: 'default/web rule 0' },
  ])
  t.notMatch(JSON.stringify(logOf(accessLog.caller)), /not-web/, 'which policy it was is not for callers')
})

t.test('what is open is cut as soon as a policy forbids it, and by no other change', async t => {
  const port = await aLocalServer(t, echo)
  const pair = await aMeshedPair(t, port)
  const apply = (policies: PolicyConfig) =>
    pair.callee.config(aConfig({ trust: pair.mesh.trust, workloads: [apiAt(port)], policies }))
  const { seen, socket } = await opened(pair.outboundPort)
  apply(policiesOf(anAuthorization('web', { rules: [fromCaller('web')] })))
  apply(policiesOf(anAuthorization('other', { action: 'DENY', rules: [fromCaller('other')] })))
  socket.write('y')
  await until('it goes on', () => seen.heard === 2)
  apply(policiesOf(anAuthorization('other', { rules: [fromCaller('other')] })))
  await until('it is cut', () => seen.error !== '')
  t.equal(seen.error, 'ECONNRESET')
  await until('nothing is open', () => pair.callee.report().gauges.openConnections === 0)
})

t.test('a dry run cuts nothing, and what it would have done is counted and logged', async t => {
  const port = await aLocalServer(t, echo)
  const accessLog = { callee: join(t.testdir(), 'callee') }
  const dry = anAuthorization('dry', { rules: [fromCaller('other')] }, { dryRun: true })
  const pair = await aMeshedPair(t, port, { accessLog })
  const { seen, socket } = await opened(pair.outboundPort)
  pair.callee.config(aConfig({ trust: pair.mesh.trust, workloads: [apiAt(port)], policies: policiesOf(dry) }))
  socket.end('y')
  await until('it goes on', () => seen.heard === 2)
  t.equal((await exchange(pair.outboundPort, 'hi')).text, 'hi')
  t.same(pair.callee.report().dryRuns, [{ policy: 'AuthorizationPolicy none', verdict: 'denied', count: 1 }])
  await pair.callee.drain(0)
  const last = logOf(accessLog.callee).at(-1)
  t.equal(last?.dry_run, 'would be denied: no rule of the ALLOW policies matches')
})

t.test('plaintext is judged by its address, cut by changes, and a dry run of STRICT lets it pass', async t => {
  const port = await aLocalServer(t, echo)
  const originalDst = { address: '127.0.0.1', port }
  const accessLog = join(t.testdir(), 'log')
  const { core, port: inbound } = await aThread(t, { kind: 'inbound-plaintext' }, { originalDst, accessLog })
  const apply = (policies: PolicyConfig, values: Partial<LocalPort> = {}) =>
    core.config(aConfig({ workloads: [apiAt(port, values)], policies }))
  const from = (ip: string) =>
    policiesOf(anAuthorization('near', { rules: [{ from: [{ source: { ipBlocks: [ip] } }] }] }))
  apply(from('127.0.0.0/8'), { mtlsDryRun: { mode: 'STRICT', from: 'default/strict' } })
  t.equal((await exchange(inbound, 'hi')).text, 'hi')
  const { seen } = await opened(inbound)
  apply(from('10.0.0.0/8'))
  await until('it is cut', () => seen.error !== '')
  t.match(await exchange(inbound, 'hi'), { text: '', error: 'ECONNRESET' })
  t.match(core.report().refused, [{ reason: 'AUTHORIZATION_DENIED', count: 1 }])
  t.same(core.report().dryRuns, [{ policy: 'PeerAuthentication default/strict', verdict: 'denied', count: 2 }])
  await core.drain(0)
  const [line] = logOf(accessLog)
  t.match(line, { dry_run: 'would be denied by PeerAuthentication default/strict', policy: 'default/near rule 0' })
})

t.test('a rule about the server name waits for TLS to tell it, and a name that cannot be read is none', async t => {
  let reached = ''
  const port = await aLocalServer(t, socket => socket.once('data', () => socket.end('reached')))
  const originalDst = { address: '127.0.0.1', port }
  const { core, port: inbound } = await aThread(t, { kind: 'inbound-plaintext' }, { originalDst })
  const named = anAuthorization('named', {
    action: 'DENY',
    rules: [{ when: [{ key: 'connection.sni', values: ['admin.example'] }] }],
  })
  core.config(aConfig({ workloads: [apiAt(port, { protocol: 'tls' })], policies: policiesOf(named) }))
  const hello = (servername: string) =>
    new Promise<string>(resolve => {
      const socket = connectTls({ port: inbound, host: '127.0.0.1', servername, rejectUnauthorized: false })
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
    })
  t.equal(await hello('admin.example'), 'ECONNRESET')
  t.match(await hello('open.example'), /SSL/, 'the process has answered, though not by TLS')
  t.match(await exchange(inbound, Buffer.from([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0])), { text: '', error: 'ECONNRESET' })
  reached = (await exchange(inbound, 'plain')).text
  t.equal(reached, 'reached')
  t.match(core.report().refused, [
    { reason: 'AUTHORIZATION_DENIED', count: 1 },
    { reason: 'BAD_HANDSHAKE', count: 1 },
  ])
})

t.test('fields of requests on a port of bytes never let more through', async t => {
  const port = await aLocalServer(t, echo)
  const pair = await aMeshedPair(t, port, {
    callee: config => ({
      ...config,
      policies: policiesOf(anAuthorization('get', { rules: [{ to: [{ operation: { methods: ['GET'] } }] }] })),
    }),
  })
  t.match(await exchange(pair.outboundPort, 'GET / HTTP/1.1\r\n\r\n'), { text: '', error: 'ECONNRESET' })
})

t.test('a policy that the agent cannot read closes the ports that it is for, and says which it is', async t => {
  const port = await aLocalServer(t, echo)
  const accessLog = { caller: join(t.testdir(), 'caller'), callee: join(t.testdirName, 'callee') }
  const pair = await aMeshedPair(t, port, { accessLog })
  const unreadable = (namespace: string): PolicyConfig => ({
    ...policiesOf(),
    unreadable: [{ kind: 'unreadable-policy', title: `AuthorizationPolicy ${namespace}/new`, namespace, spec: {} }],
  })
  const apply = (policies: PolicyConfig) =>
    pair.callee.config(aConfig({ trust: pair.mesh.trust, workloads: [apiAt(port)], policies }))
  const { seen } = await opened(pair.outboundPort)
  apply(unreadable('elsewhere'))
  t.equal((await exchange(pair.outboundPort, 'hi')).text, 'hi')
  apply(unreadable('default'))
  await until('what was open is cut', () => seen.error !== '')
  t.match(await exchange(pair.outboundPort, 'hi'), { text: '', error: 'ECONNRESET' })
  apply(policiesOf())
  t.equal((await exchange(pair.outboundPort, 'hi')).text, 'hi')
  await Promise.all([pair.caller.drain(0), pair.callee.drain(0)])
  const refused = logOf(accessLog.callee).filter(({ verdict }) => verdict === 'refused')
  t.match(refused, [{ detail: 'nothing is allowed: this agent cannot read AuthorizationPolicy default/new' }])
})
