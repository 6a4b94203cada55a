import assert from 'node:assert/strict'
import t from 'tap'
import type { AgentResource } from '../../../../mesh/model/agent-config.ts'
import { unknownLocality } from '../../../../mesh/model/locality.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { encodeResource } from '../../../../mesh/wire/agent-config-codec.ts'
import { startAgentSession } from '../../../../mesh/wire/agent-session.ts'
import type { AgentView } from '../../../../mesh/wire/delta.ts'
import type { HostReport, RejectedResource } from '../../../../mesh/wire/messages.ts'
import type { HostState } from '../../../../mesh/wire/report-sender.ts'
import { startPusher } from '../../../../server/push/pusher.ts'
import type { NodeRecord } from '../../../../server/store/store.ts'
import { channelPair } from '../../../fakes/channel-pair.ts'
import { FakeClock } from '../../../fakes/clock.ts'
import { eventually } from '../../../support/eventually.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

const resources: readonly AgentResource[] = [
  {
    kind: 'host',
    node: 'vm-1',
    trustDomain: 'mesh.test',
    dnsDomain: 'mesh',
    rootNamespace: 'weft-system',
    virtualIpRanges: [],
    locality: unknownLocality,
  },
  { kind: 'trust', trustDomain: 'mesh.test', sequence: 1, roots: [] },
]

function viewOf(version: number): AgentView {
  return { version, resources: new Map(resources.map(encodeResource).map(encoded => [encoded.name, encoded])) }
}

function node(name: string, banned = false): NodeRecord {
  return { name, identities: [], joinedAt: 5, keyHash: 'key', banned }
}

function start(t: { teardown(stop: () => unknown): unknown }) {
  const clock = new FakeClock()
  const log = recordedLog()
  const nodes = new Watch<ReadonlyMap<string, NodeRecord>>(new Map([['vm-1', node('vm-1')]]))
  const followed: string[] = []
  const said: { of: string; report: HostReport | 'left' }[] = []
  const counts = { pushed: 0, rejected: 0 }
  const view = new Watch<AgentView | undefined>(viewOf(7))
  const pusher = startPusher(
    {
      clock,
      log,
      nodes,
      views: {
        follow(name) {
          followed.push(name)
          return { view, release: () => void followed.splice(followed.indexOf(name), 1) }
        },
        stop() {},
      },
      sign: async ({ node: of, currentIdentity, identity }) => [of, currentIdentity, identity],
      report: (of, report) => void said.push({ of, report }),
      left: of => void said.push({ of, report: 'left' }),
      observe: { pushed: () => (counts.pushed += 1), rejected: count => (counts.rejected += count) },
    },
    { serverName: 's1', serverVersion: '1' },
  )
  t.teardown(() => pusher.stop())

  const state = new Watch<HostState>({ health: [], registrations: [] })
  const connect = (name = 'vm-1', remoteAddress = '10.0.0.1', rejected: readonly RejectedResource[] = []) => {
    const { agent, server } = channelPair()
    const id = `spiffe://mesh.test/mesh/agent/${name}`
    const certificate = { id, serial: '1', keyHash: 'key', notAfter: 99, remoteAddress }
    const session = startAgentSession({
      channel: agent,
      clock,
      log,
      agentVersion: '2',
      facts: { kernel: '6' },
      held: new Map(),
      apply: async () => rejected,
      async keep() {},
      report: state,
    })
    pusher.accept('websocket')(server, name, certificate)
    return session
  }
  return { clock, log, nodes, followed, counts, view, pusher, connect, state, said }
}

t.test('a node that has joined and was not seen yet is listed as such', async t => {
  const { pusher } = start(t)
  t.match(pusher.agents(), [{ node: 'vm-1', state: 'never', since: 5, configVersion: 0 }])
})

t.test('a connected agent is brought to its view and its answer is known', async t => {
  const { pusher, connect, counts, view } = start(t)
  const session = connect()
  await eventually(() => assert.equal(pusher.agents()[0]?.answeredVersion, 7))
  t.match(pusher.agents(), [
    {
      node: 'vm-1',
      state: 'connected',
      transport: 'websocket',
      remoteAddress: '10.0.0.1',
      agentVersion: '2',
      facts: { kernel: '6' },
      configVersion: 7,
      certificateExpiresAt: 99,
    },
  ])
  t.same(counts, { pushed: 1, rejected: 0 })
  view.set({ version: 8, resources: viewOf(8).resources })
  t.equal(pusher.agents()[0]?.configVersion, 8)
  t.same(await session.sign('spiffe://mesh.test/ns/a/sa/b', Buffer.from('csr')), [
    'vm-1',
    'spiffe://mesh.test/mesh/agent/vm-1',
    'spiffe://mesh.test/ns/a/sa/b',
  ])
})

t.test('what an agent will not take is shown with its reason and counted once', async t => {
  const { pusher, connect, counts, clock } = start(t)
  connect('vm-1', '10.0.0.1', [{ name: 'host', reason: 'no such zone' }])
  await eventually(() => assert.equal(counts.rejected, 1))
  t.same(pusher.agents()[0]?.rejected, [{ name: 'host', reason: 'no such zone' }])
  await clock.advance(15_000)
  t.equal(counts.rejected, 1)
})

t.test('after it has gone an agent is stale since then, with the reason, and is followed no more', async t => {
  const { pusher, connect, clock, followed } = start(t)
  const session = connect()
  await eventually(() => assert.equal(pusher.agents()[0]?.answeredVersion, 7))
  await clock.advance(1000)
  session.close('rebooting')
  await eventually(() => assert.equal(pusher.agents()[0]?.state, 'stale'))
  t.match(pusher.agents()[0], {
    since: clock.now(),
    lastClose: /rebooting/,
    answeredVersion: 7,
    facts: { kernel: '6' },
  })
  t.same(followed, [])
})

t.test('the newest channel of a node wins, and from another address that is an alarm', async t => {
  const { pusher, connect, log, followed } = start(t)
  const first = connect('vm-1', '10.0.0.1')
  const second = connect('vm-1', '10.0.0.1')
  t.match(await first.closed, { reason: /newer connection/ })
  t.notOk(log.lines.some(({ level }) => level === 'error'))
  connect('vm-1', '10.6.6.6')
  await second.closed
  t.match(pusher.agents(), [{ state: 'connected', remoteAddress: '10.6.6.6' }])
  t.match(
    log.lines.filter(({ level }) => level === 'error'),
    [{ message: /two agents use the certificate of one node/, fields: { node: 'vm-1', peer: '10.6.6.6' } }],
  )
  await eventually(() => assert.deepEqual(followed, ['vm-1']))
})

t.test('a node that has not joined is told so and gets nothing', async t => {
  const { pusher, connect, counts } = start(t)
  const end = await connect('vm-9').closed
  t.match(end, { refused: { code: 'WEFT_IDENTITY_NOT_PLACED', reason: /has not joined/ } })
  t.equal(counts.pushed, 0)
  t.equal(pusher.agents().length, 1)
})

t.test('banning a node ends its session at once and refuses the next', async t => {
  const { pusher, connect, nodes } = start(t)
  const session = connect()
  await eventually(() => assert.equal(pusher.agents()[0]?.answeredVersion, 7))
  nodes.set(new Map([['vm-1', node('vm-1', true)]]))
  t.match(await session.closed, { refused: { reason: /banned/ } })
  t.match(pusher.agents(), [{ state: 'stale', banned: true }])
  t.match(await connect().closed, { refused: { reason: /banned/ } })
})

t.test('what a node reports is handed on under its authenticated name, and once that it has left', async t => {
  const { connect, state, said } = start(t)
  const first = connect()
  await eventually(() => assert.equal(said.length, 1))
  const health = [{ workload: 'static/api-1', healthy: false, reason: 'connection refused' }]
  const second = connect()
  await first.closed
  await eventually(() => assert.equal(said.length, 2))
  state.set({ health, registrations: [] })
  second.close('rebooting')
  await eventually(() => assert.equal(said.at(-1)?.report, 'left'))
  t.same(
    said.map(({ of }) => of),
    said.map(() => 'vm-1'),
  )
  t.equal(
    said.filter(({ report }) => report === 'left').length,
    1,
    'a session that was replaced is not a node that left',
  )
})

t.test('a node that is not served reports nothing', async t => {
  const { connect, said } = start(t)
  await connect('vm-9').closed
  t.same(said, [])
})

t.test('stopping ends every session', async t => {
  const { pusher, connect } = start(t)
  const session = connect()
  await eventually(() => assert.equal(pusher.agents()[0]?.answeredVersion, 7))
  await pusher.stop()
  t.match(await session.closed, { reason: /stopping/ })
})

t.test('a node that joins again with another key ends the session of whoever has the old one, for good', async t => {
  const { connect, nodes, pusher } = start(t)
  const session = connect()
  await eventually(() => assert.equal(pusher.agents()[0]?.answeredVersion, 7))
  nodes.set(new Map([['vm-1', { ...node('vm-1'), keyHash: 'new key' }]]))
  t.match((await session.closed).refused, { code: 'WEFT_IDENTITY_NOT_PLACED', reason: /joined again/ })
  t.match((await connect().closed).refused, { code: 'WEFT_IDENTITY_NOT_PLACED', reason: /joined again/ })
})
