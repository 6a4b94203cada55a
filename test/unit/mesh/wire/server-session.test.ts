import t, { type Test } from 'tap'
import { silentLog } from '../../../../mesh/std/log.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { encodeResource } from '../../../../mesh/wire/agent-config-codec.ts'
import { type AgentMessage, agentCapabilities, type ServerMessage } from '../../../../mesh/wire/messages.ts'
import { type AgentView, type ServerSessionOptions, startServerSession } from '../../../../mesh/wire/server-session.ts'
import { channelPair } from '../../../fakes/channel-pair.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { eventually } from '../../../support/eventually.ts'
import { authorizationResource } from '../../../support/policies.ts'
import { serviceResource, viewOf } from '../../../support/resources.ts'

const hello = {
  kind: 'hello',
  protocol: 1,
  agentVersion: '0.1.0',
  have: [],
  facts: {},
  capabilities: [],
} as const satisfies AgentMessage

function start(options: Partial<ServerSessionOptions> = {}) {
  const { agent, server } = channelPair()
  const clock = new FakeClock()
  const got: ServerMessage[] = []
  agent.onMessage(message => got.push(message))
  const session = startServerSession({
    channel: server,
    view: new Watch<AgentView | undefined>(undefined),
    sign: async () => ['leaf'],
    onReport: () => {},
    clock,
    log: silentLog,
    serverName: 'server-1',
    serverVersion: '0.1.0',
    ...options,
  })
  const until = (kind: ServerMessage['kind'], count = 1) =>
    eventually(() => {
      const found = got.filter(message => message.kind === kind)
      if (found.length < count) throw new Error(`${found.length} ${kind}`)
      return found
    })
  return { agent, clock, session, got, until }
}

async function closesWith(t: Test, closed: Promise<string>, reason: RegExp): Promise<void> {
  t.match(await closed, reason)
}

t.test('who does not say hello within 5 s is left', async t => {
  const { clock, session } = start()
  await clock.advance(4_999)
  t.equal(clock.pending, 2)
  await clock.advance(1)
  await closesWith(t, session.closed, /hello/)
  t.equal(clock.pending, 0, 'no timer is left behind')
})

t.test('who says something else first is told so', async t => {
  const { agent, session, until } = start()
  agent.send({ kind: 'ping', id: 1 })
  await closesWith(t, session.closed, /hello must come first/)
  t.match(await until('refused'), [{ code: 'WEFT_WIRE' }])
})

t.test('nothing is pushed before something has been compiled', async t => {
  const view = new Watch<AgentView | undefined>(undefined)
  const { agent, until, got } = start({ view })
  agent.send(hello)
  await until('welcome')
  t.same(
    got.map(({ kind }) => kind),
    ['welcome'],
  )
  view.set(viewOf(1))
  await until('push')
})

t.test('who does not acknowledge within 60 s is left, however alive it is', async t => {
  const { agent, clock, session, until } = start({ view: new Watch<AgentView | undefined>(viewOf(1)) })
  agent.send(hello)
  await until('push')
  for (let id = 1; id <= 5; id += 1) {
    await clock.advance(10_000)
    agent.send({ kind: 'pong', id })
    await clock.advance(0)
  }
  await clock.advance(10_000)
  await closesWith(t, session.closed, /acknowledge/)
  t.equal(clock.pending, 0)
})

t.test('a push that reaches nobody does not pile up: past 64 MiB the agent is left', async t => {
  const { agent, server } = channelPair()
  let buffered = 0
  const view = new Watch<AgentView | undefined>(viewOf(1))
  const { session } = start({ channel: { ...server, bufferedBytes: () => buffered }, view })
  const told = new Promise<string>(resolve => agent.onClose(resolve))
  agent.send(hello)
  buffered = 64 * 1024 * 1024 + 1
  await closesWith(t, session.closed, /does not read/)
  await told
})

t.test('a refused removal is shown and not repeated', async t => {
  const view = new Watch<AgentView | undefined>(viewOf(1, serviceResource('api')))
  const { agent, session, until } = start({ view })
  agent.send(hello)
  await until('push')
  agent.send({ kind: 'ack', version: 1 })
  view.set(viewOf(2))
  await until('push', 2)
  agent.send({ kind: 'nack', version: 2, rejected: [{ name: 'service/shop/api', reason: 'still in use' }] })
  await eventually(() => {
    if (session.status.value.ackedVersion !== 2) throw new Error('not answered')
  })
  t.same(session.status.value.rejected, [{ name: 'service/shop/api', reason: 'still in use' }])
  t.equal((await until('push', 2)).length, 2)
})

t.test('complaints about what was not in the push are shown, but only so many', async t => {
  const { agent, session, until } = start({ view: new Watch<AgentView | undefined>(viewOf(1)) })
  agent.send(hello)
  await until('push')
  const rejected = Array.from({ length: 500 }, (_, at) => ({ name: `service/x/${at}`, reason: 'no' }))
  agent.send({ kind: 'nack', version: 1, rejected })
  await eventually(() => {
    if (session.status.value.rejected.length === 0) throw new Error('not answered')
  })
  t.equal(session.status.value.rejected.length, 100)
})

t.test('a fifth signing request at once is refused, and one after an answer is served', async t => {
  const gate = Promise.withResolvers<readonly string[]>()
  const { agent, until } = start({ sign: () => gate.promise })
  agent.send(hello)
  for (let id = 1; id <= 5; id += 1) agent.send({ kind: 'sign-request', id, identity: 'x', csr: Buffer.alloc(1) })
  t.match(await until('sign-response'), [{ id: 5, error: { code: 'WEFT_CSR_REFUSED' } }])
  gate.resolve(['leaf'])
  await until('sign-response', 5)
  agent.send({ kind: 'sign-request', id: 6, identity: 'x', csr: Buffer.alloc(1) })
  t.match((await until('sign-response', 6)).at(-1), { id: 6, chain: ['leaf'] })
})

t.test('what goes wrong inside the server is not told to agents', async t => {
  const sign = async () => {
    throw new Error('SQLITE_FULL: /var/lib/weft/server.db')
  }
  const { agent, until } = start({ sign })
  agent.send(hello)
  agent.send({ kind: 'sign-request', id: 1, identity: 'x', csr: Buffer.alloc(1) })
  t.match(await until('sign-response'), [{ error: { code: 'WEFT_STORE', reason: 'the server could not sign' } }])
})

t.test('a flood of messages ends the session', async t => {
  const { agent, session, until } = start()
  agent.send(hello)
  for (let id = 1; id <= 1_000; id += 1) agent.send({ kind: 'pong', id })
  await closesWith(t, session.closed, /more than 1000 messages/)
  t.match(await until('refused'), [{ code: 'WEFT_WIRE' }])
})

t.test('an agent that knows no dry runs loses the policy instead of putting it in force', async t => {
  const policy = (dryRun: boolean) =>
    encodeResource(authorizationResource('cart', { action: 'DENY', rules: [{}] }, { dryRun }))
  const viewWith = (version: number, dryRun: boolean): AgentView => ({
    version,
    resources: new Map([[policy(dryRun).name, policy(dryRun)]]),
  })
  const name = 'policy/AuthorizationPolicy/shop/cart'
  for (const [capabilities, second, rejected] of [
    [[], { changed: [], removed: [name] }, [{ name, reason: /too old/ }]],
    [agentCapabilities, { changed: [{ name }], removed: [] }, []],
  ] as const) {
    const view = new Watch<AgentView | undefined>(viewWith(1, false))
    const { agent, until, session } = start({ view })
    agent.send({ ...hello, capabilities })
    t.match(await until('push'), [{ changed: [{ name }] }])
    agent.send({ kind: 'ack', version: 1 })
    view.set(viewWith(2, true))
    t.match((await until('push', 2))[1], second)
    agent.send({ kind: 'ack', version: 2 })
    await eventually(() => {
      if (session.status.value.ackedVersion !== 2) throw new Error('not acknowledged yet')
    })
    t.match(session.status.value.rejected, rejected)
    t.equal(session.status.value.rejected.length, rejected.length)
    session.close('enough')
  }
})

t.test('of a policy that the agent cannot read it is told when it is gone', async t => {
  const policy = encodeResource(authorizationResource('cart', {}))
  const view = new Watch<AgentView | undefined>({ version: 1, resources: new Map([[policy.name, policy]]) })
  const { agent, until } = start({ view })
  agent.send(hello)
  await until('push')
  agent.send({ kind: 'nack', version: 1, rejected: [{ name: policy.name, reason: 'it is of tomorrow' }] })
  view.set({ version: 2, resources: new Map() })
  t.match((await until('push', 2))[1], { changed: [], removed: [policy.name] })
})
