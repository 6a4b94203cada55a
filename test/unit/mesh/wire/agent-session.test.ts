import t from 'tap'
import { silentLog } from '../../../../mesh/std/log.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { type AgentSessionOptions, startAgentSession } from '../../../../mesh/wire/agent-session.ts'
import type { HeldResources } from '../../../../mesh/wire/held-resources.ts'
import type { AgentMessage, Push, ServerMessage } from '../../../../mesh/wire/messages.ts'
import type { HostState } from '../../../../mesh/wire/report-sender.ts'
import { channelPair } from '../../../fakes/channel-pair.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { eventually } from '../../../support/eventually.ts'
import { viewOf } from '../../../support/resources.ts'

const welcome: ServerMessage = { kind: 'welcome', protocol: 1, serverVersion: '0.1.0', serverName: 'server-1' }

function push(version: number): Push {
  return { kind: 'push', version, full: true, changed: [...viewOf(version).resources.values()], removed: [] }
}

function start(options: Partial<AgentSessionOptions> = {}) {
  const { agent, server } = channelPair()
  const clock = new FakeClock()
  const got: AgentMessage[] = []
  server.onMessage(message => got.push(message))
  const session = startAgentSession({
    channel: agent,
    clock,
    log: silentLog,
    agentVersion: '0.1.0',
    facts: {},
    held: new Map(),
    apply: async () => [],
    keep: async () => {},
    report: new Watch<HostState>({ health: [], registrations: [] }),
    ...options,
  })
  const until = (kind: AgentMessage['kind']) =>
    eventually(() => got.find(message => message.kind === kind) ?? Promise.reject(new Error(`no ${kind}`)))
  return { server, clock, session, got, until }
}

t.test('pushes out of order end the session', async t => {
  const never = new Promise<never>(() => {})
  const disorders: readonly [readonly ServerMessage[], RegExp][] = [
    [[push(1)], /before the welcome/],
    [[welcome, push(1), push(2)], /before the last one was acknowledged/],
    [[{ ...welcome, protocol: 3 }], /protocol 3/],
    [[{ ...welcome, protocol: 0 }], /protocol 0/],
  ]
  for (const [messages, reason] of disorders) {
    const { server } = start({ apply: () => never })
    const closed = new Promise<string>(resolve => server.onClose(resolve))
    for (const message of messages) server.send(message)
    t.match(await closed, reason)
  }
})

t.test('a version that goes backwards ends the session', async t => {
  const { server, session, until } = start()
  server.send(welcome)
  server.send(push(5))
  await until('ack')
  server.send(push(4))
  t.match((await session.closed).reason, /version 4 came after version 5/)
})

t.test('what is in use is saved before it is acknowledged', async t => {
  const saving = Promise.withResolvers<void>()
  const saved: HeldResources[] = []
  const keep = (held: HeldResources) => {
    saved.push(held)
    return saving.promise
  }
  const { server, session, got, until } = start({ keep })
  server.send(welcome)
  server.send(push(1))
  await eventually(() => saved.length === 1 || Promise.reject(new Error('not saved')))
  t.notOk(got.some(({ kind }) => kind === 'ack'))
  saving.resolve()
  t.same(await until('ack'), { kind: 'ack', version: 1 })
  t.equal(saved[0], session.held)
  t.same([...session.held.keys()].sort(), ['host', 'trust'])
})

t.test('a disk that is full does not keep a config out of use', async t => {
  const { server, session, until } = start({ keep: () => Promise.reject(new Error('ENOSPC')) })
  server.send(welcome)
  server.send(push(1))
  await until('ack')
  t.equal(session.held.size, 2)
})

t.test('a session is over only when its apply is', async t => {
  const gate = Promise.withResolvers<void>()
  let applying = false
  const apply = async () => {
    applying = true
    await gate.promise
    return []
  }
  const { server, session } = start({ apply })
  server.send(welcome)
  server.send(push(1))
  await eventually(() => applying || Promise.reject(new Error('not applying')))
  session.close('restarting')
  let over = false
  void session.closed.then(() => {
    over = true
  })
  await new Promise(resolve => setImmediate(resolve))
  t.equal(over, false)
  gate.resolve()
  t.same(await session.closed, { reason: 'restarting' })
  t.equal(session.held.size, 2, 'what was applied on the way out is held')
})

t.test('a signing request is given up after 30 s, and a late answer is ignored', async t => {
  const { server, clock, session, until } = start()
  const asked = session.sign('x', Buffer.alloc(1))
  const refused = t.rejects(asked, { code: 'WEFT_SERVER_UNREACHABLE', message: /did not answer/ })
  await until('sign-request')
  for (let step = 0; step < 3; step += 1) {
    server.send({ kind: 'pong', id: 1 })
    await clock.advance(10_000)
  }
  await refused
  server.send({ kind: 'sign-response', id: 1, chain: ['late'] })
  server.send({ kind: 'sign-response', id: 77, chain: ['never asked'] })
  server.send({ kind: 'ping', id: 3 })
  t.same(await until('pong'), { kind: 'pong', id: 3 })
})

t.test('an answer without a chain and one with a code of tomorrow are errors', async t => {
  const { server, session } = start()
  const first = session.sign('x', Buffer.alloc(1))
  server.send({ kind: 'sign-response', id: 1, chain: [] })
  await t.rejects(first, { code: 'WEFT_WIRE' })
  const second = session.sign('x', Buffer.alloc(1))
  server.send({ kind: 'sign-response', id: 2, chain: [], error: { code: 'WEFT_TOMORROW', reason: 'no' } })
  await t.rejects(second, { code: 'WEFT_CSR_REFUSED', message: 'no', fields: { code: 'WEFT_TOMORROW' } })
})

t.test('no timer is left when a session is over', async t => {
  const { clock, session } = start()
  const signing = t.rejects(session.sign('x', Buffer.alloc(1)), { code: 'WEFT_SERVER_UNREACHABLE' })
  session.close('done')
  await signing
  await session.closed
  t.equal(clock.pending, 0)
})
