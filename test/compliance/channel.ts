import type { Test } from 'tap'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import { type AgentSession, startAgentSession } from '../../mesh/wire/agent-session.ts'
import type { ApplyConfig } from '../../mesh/wire/apply-push.ts'
import type { Channel } from '../../mesh/wire/channel.ts'
import type { HeldResources } from '../../mesh/wire/held-resources.ts'
import type { AgentMessage, HostReport, Push, ServerMessage } from '../../mesh/wire/messages.ts'
import type { HostState } from '../../mesh/wire/report-sender.ts'
import { type AgentView, type ServerSession, startServerSession } from '../../mesh/wire/server-session.ts'
import { FakeClock } from '../fakes/clock.ts'
import { eventually } from '../support/eventually.ts'
import { serviceResource, viewOf } from '../support/resources.ts'

type AgentEnd = Channel<ServerMessage, AgentMessage>
type ServerEnd = Channel<AgentMessage, ServerMessage>

/** Connects a fresh pair of ends; everything it opens is closed by the test's teardown. */
export type OpenPair = (t: Test) => Promise<{ readonly agent: AgentEnd; readonly server: ServerEnd }>

/** What every transport of the control channel must do, under both sessions. */
export function channelCompliance(t: Test, open: OpenPair): void {
  t.test('an agent with nothing gets everything in one full push', async t => {
    const world = await start(t, open, viewOf(7, serviceResource('api'), serviceResource('web')))
    await world.inSync(7)
    t.equal(world.pushes[0]?.full, true)
    t.same(
      world.applied.at(-1)?.services.map(({ name }) => name),
      ['api', 'web'],
    )
    t.equal(world.applied.at(-1)?.host.node, 'vm-17')
    t.equal(world.agent.status.value.serverName, 'server-1')
    t.same(world.server.status.value.facts, { kernel: '6.18' })
    t.equal(world.server.status.value.agentVersion, '0.1.0')
    t.same(world.server.status.value.rejected, [])
  })

  t.test('a change travels by name, and so does a removal', async t => {
    const world = await start(t, open, viewOf(1, serviceResource('api'), serviceResource('web')))
    await world.inSync(1)
    world.view.set(viewOf(2, serviceResource('api', 81), serviceResource('web')))
    await world.inSync(2)
    t.same(
      world.pushes.at(-1)?.changed.map(({ name }) => name),
      ['service/shop/api'],
    )
    t.equal(world.pushes.at(-1)?.full, false)
    t.same(world.changes.at(-1), ['service/shop/api'])
    world.view.set(viewOf(3, serviceResource('api', 81)))
    await world.inSync(3)
    t.same(world.pushes.at(-1)?.removed, ['service/shop/web'])
    t.same(
      world.applied.at(-1)?.services.map(({ name }) => name),
      ['api'],
    )
  })

  t.test('a refused resource is nacked by name, its last good version stays, and the rest is in use', async t => {
    const refusePort81: ApplyConfig = async config =>
      config.services
        .filter(({ ports }) => ports[0]?.port === 81)
        .map(({ name }) => ({ name: `service/shop/${name}`, reason: 'port 81 is not to be had' }))
    const world = await start(t, open, viewOf(1, serviceResource('api'), serviceResource('web')), refusePort81)
    await world.inSync(1)
    world.view.set(viewOf(2, serviceResource('api', 81), serviceResource('web', 82)))
    await world.inSync(2)
    t.same(world.server.status.value.rejected, [{ name: 'service/shop/api', reason: 'port 81 is not to be had' }])
    t.same(world.agent.status.value.rejected, world.server.status.value.rejected)
    t.same(
      world.applied.at(-1)?.services.map(({ ports }) => ports[0]?.port),
      [80, 82],
    )
    world.view.set(viewOf(3, serviceResource('api', 81), serviceResource('web', 83)))
    await world.inSync(3)
    t.same(
      world.pushes.at(-1)?.changed.map(({ name }) => name),
      ['service/shop/web'],
      'the same version is not sent again',
    )
    t.equal(world.server.status.value.rejected.length, 1)
    world.view.set(viewOf(4, serviceResource('api', 84), serviceResource('web', 83)))
    await world.inSync(4)
    t.same(world.server.status.value.rejected, [])
    t.same(
      world.applied.at(-1)?.services.map(({ ports }) => ports[0]?.port),
      [84, 83],
    )
  })

  t.test('after a reconnect only what has changed is sent', async t => {
    const world = await start(t, open, viewOf(1, serviceResource('api'), serviceResource('web')))
    await world.inSync(1)
    world.agent.close('the line was cut')
    await world.agent.closed
    await world.server.closed
    const view = viewOf(2, serviceResource('api'), serviceResource('web', 81), serviceResource('db'))
    const again = await start(t, open, view, async () => [], world.agent.held)
    await again.inSync(2)
    t.same(
      again.pushes.map(({ changed }) => changed.map(({ name }) => name)),
      [['service/shop/web', 'service/shop/db']],
    )
    t.equal(again.pushes[0]?.full, false)
    t.equal(again.applied.at(-1)?.services.length, 3)
  })

  t.test('an agent that holds everything already gets an empty push to acknowledge', async t => {
    const world = await start(t, open, viewOf(1, serviceResource('api')))
    await world.inSync(1)
    const again = await start(t, open, viewOf(5, serviceResource('api')), async () => [], world.agent.held)
    await again.inSync(5)
    t.same(
      again.pushes.map(({ changed, removed, full }) => ({ changed, removed, full })),
      [{ changed: [], removed: [], full: false }],
    )
    t.equal(again.applied.length, 0, 'nothing to apply')
  })

  t.test('while a push is unacknowledged newer states replace each other', async t => {
    const gate = Promise.withResolvers<void>()
    const world = await start(t, open, viewOf(1, serviceResource('api')), async () => {
      await gate.promise
      return []
    })
    await eventually(() => {
      if (world.applied.length === 0) throw new Error('not applying yet')
    })
    for (let version = 2; version <= 9; version += 1)
      world.view.set(viewOf(version, serviceResource('api', 80 + version)))
    t.equal(world.server.status.value.sentVersion, 1)
    gate.resolve()
    await world.inSync(9)
    t.same(
      world.pushes.map(({ version }) => version),
      [1, 9],
    )
    t.equal(world.applied.at(-1)?.services[0]?.ports[0]?.port, 89)
  })

  t.test('resources of megabytes arrive whole, in several pushes', async t => {
    const services = ['a', 'b', 'c'].map(name => ({
      ...serviceResource(name),
      hosts: Array.from({ length: 4000 }, (_, at) => `${name}-${at}.${'x'.repeat(200)}.shop.mesh`),
    }))
    const world = await start(t, open, viewOf(1, ...services.flatMap(one => [one, { ...one, name: `${one.name}2` }])))
    await world.inSync(1)
    t.ok(world.pushes.length > 1, 'no push holds all of it')
    t.same(
      world.pushes[0]?.changed.slice(0, 2).map(({ name }) => name),
      ['host', 'trust'],
    )
    t.equal(world.applied.at(-1)?.services.length, 6)
    t.same(world.applied.at(-1)?.services[5]?.hosts, services[2]?.hosts)
  })

  t.test('signing requests are answered, and refused under the code the server gives', async t => {
    const world = await start(t, open, viewOf(1))
    t.same(await world.agent.sign('spiffe://mesh.test/ns/shop/sa/api', Buffer.from('csr')), ['leaf', 'csr'])
    await t.rejects(world.agent.sign('spiffe://mesh.test/ns/shop/sa/other', Buffer.from('csr')), {
      code: 'WEFT_IDENTITY_NOT_PLACED',
      message: 'nothing places it there',
    })
  })

  t.test('what the host says of its workloads is reported after the welcome and on every change', async t => {
    const report = new Watch<HostState>({ health: [], registrations: [] })
    const world = await start(t, open, viewOf(1), async () => [], new Map(), report)
    await eventually(() => agreed(world.reports.length === 1))
    const health = [{ workload: 'static/api-1', healthy: false, reason: 'tcp 10.0.0.7:8080: connection refused' }]
    const registrations = [{ group: 'shop/api', name: 'a', address: '10.0.0.7', ports: { http: 1 }, maintenance: '' }]
    report.set({ health, registrations })
    await world.clock.advance(200)
    await eventually(() => agreed(world.reports.length === 2))
    t.same(world.reports, [
      { kind: 'report', health: [], registrations: [] },
      { kind: 'report', health, registrations },
    ])
  })

  t.test('a signing request ends with the session', async t => {
    const { agent, server } = await open(t)
    const session = startAgent(agent, new FakeClock())
    const asked = new Promise<void>(resolve => server.onMessage(({ kind }) => kind === 'sign-request' && resolve()))
    const answer = t.rejects(session.sign('spiffe://mesh.test/ns/shop/sa/api', Buffer.from('csr')), {
      code: 'WEFT_SERVER_UNREACHABLE',
    })
    await asked
    server.close('going down')
    await answer
    await t.rejects(session.sign('x', Buffer.from('csr')), { code: 'WEFT_SERVER_UNREACHABLE' }, 'nor after it')
  })

  t.test('a server that has fallen silent is left after 20 s', async t => {
    const { agent, server } = await open(t)
    const clock = new FakeClock()
    const pings: number[] = []
    server.onMessage(message => message.kind === 'ping' && pings.push(message.id))
    const session = startAgent(agent, clock)
    const left = new Promise<string>(resolve => server.onClose(resolve))
    await clock.advance(19_999)
    await eventually(() => {
      if (pings.length === 0) throw new Error('no ping yet')
    })
    t.same(pings, [1])
    await clock.advance(1)
    t.match((await session.closed).reason, /silent/)
    await left
  })

  t.test('an agent that has fallen silent is left after 20 s', async t => {
    const { agent, server } = await open(t)
    const clock = new FakeClock()
    const session = startServer(server, clock, new Watch<AgentView | undefined>(undefined))
    const seen = new Set<string>()
    agent.onMessage(({ kind }) => seen.add(kind))
    const left = new Promise<string>(resolve => agent.onClose(resolve))
    agent.send({ kind: 'hello', protocol: 1, agentVersion: '', have: [], facts: {}, capabilities: [] })
    await eventually(() => agreed(seen.has('welcome')))
    await clock.advance(10_000)
    await eventually(() => agreed(seen.has('ping')))
    await clock.advance(10_000)
    t.match(await session.closed, /silent/)
    await left
  })

  t.test('both stay while each answers the other', async t => {
    const world = await start(t, open, viewOf(1))
    await world.inSync(1)
    for (let minute = 0; minute < 6; minute += 1) {
      const seen = world.server.status.value.lastSeen
      await world.clock.advance(10_000)
      await eventually(() => agreed(world.server.status.value.lastSeen > seen))
    }
    world.view.set(viewOf(2, serviceResource('api')))
    await world.inSync(2)
    t.same(
      world.pushes.map(({ version }) => version),
      [1, 2],
    )
  })

  t.test('an agent of another protocol is told so and not served', async t => {
    const { agent, server } = await open(t)
    const session = startServer(server, new FakeClock(), new Watch<AgentView | undefined>(viewOf(1)))
    const got: ServerMessage[] = []
    agent.onMessage(message => got.push(message))
    const left = new Promise<string>(resolve => agent.onClose(resolve))
    agent.send({ kind: 'hello', protocol: 9, agentVersion: '9.0.0', have: [], facts: {}, capabilities: [] })
    t.match(await session.closed, /protocol 9/)
    await left
    t.match(got, [{ kind: 'refused', code: 'WEFT_WIRE', reason: /protocol 9/ }])
    t.equal(got.length, 1)
  })

  t.test('a refusal reaches the agent with its code', async t => {
    const world = await start(t, open, viewOf(1))
    await world.inSync(1)
    world.server.refuse('WEFT_IDENTITY_NOT_PLACED', 'this node is banned')
    t.match(await world.agent.closed, { refused: { code: 'WEFT_IDENTITY_NOT_PLACED', reason: 'this node is banned' } })
  })

  t.test('messages out of order end the session', async t => {
    const disorders: readonly AgentMessage[] = [
      { kind: 'ack', version: 3 },
      { kind: 'nack', version: 3, rejected: [] },
      { kind: 'hello', protocol: 1, agentVersion: '', have: [], facts: {}, capabilities: [] },
    ]
    for (const disorder of disorders) {
      const { agent, server } = await open(t)
      const session = startServer(server, new FakeClock(), new Watch<AgentView | undefined>(undefined))
      agent.send({ kind: 'hello', protocol: 1, agentVersion: '', have: [], facts: {}, capabilities: [] })
      agent.send(disorder)
      t.match(await session.closed, /awaiting|once/, disorder.kind)
    }
  })

  t.test('what was sent before anybody listened is delivered in order', async t => {
    const { agent, server } = await open(t)
    for (let id = 1; id <= 20; id += 1) agent.send({ kind: 'ping', id })
    const done = Promise.withResolvers<void>()
    server.send({ kind: 'ping', id: 99 })
    await new Promise<void>(resolve => agent.onMessage(() => resolve()))
    const ids: number[] = []
    server.onMessage(message => {
      if (message.kind === 'ping') ids.push(message.id)
      if (ids.length === 20) done.resolve()
    })
    await done.promise
    t.same(
      ids,
      Array.from({ length: 20 }, (_, at) => at + 1),
    )
    t.equal(agent.bufferedBytes(), 0)
  })

  t.test('a close is told once to both ends, and later sends do nothing', async t => {
    const { agent, server } = await open(t)
    const reasons: string[] = []
    const far = new Promise<string>(resolve => agent.onClose(resolve))
    server.onClose(reason => reasons.push(reason))
    server.close('drained')
    server.close('again')
    server.send({ kind: 'ping', id: 1 })
    t.match(await far, /drained/)
    t.same(reasons, ['drained'])
    agent.send({ kind: 'ping', id: 1 })
    let late = ''
    agent.onClose(reason => {
      late = reason
    })
    t.match(late, /drained/, 'who asks later is told at once')
  })
}

/** Both sessions over one fresh pair, with everything that crossed recorded. */
async function start(
  t: Test,
  open: OpenPair,
  first: AgentView,
  judge: ApplyConfig = async () => [],
  held: HeldResources = new Map(),
  report?: Watch<HostState>,
) {
  const ends = await open(t)
  const clock = new FakeClock()
  const view = new Watch<AgentView | undefined>(first)
  const pushes: Push[] = []
  const applied: AgentConfig[] = []
  const changes: (readonly string[])[] = []
  const recorded: ServerEnd = {
    ...ends.server,
    send(message) {
      if (message.kind === 'push') pushes.push(message)
      ends.server.send(message)
    },
  }
  const reports: HostReport[] = []
  const server = startServer(recorded, clock, view, reports)
  const apply: ApplyConfig = async (config, changed) => {
    applied.push(config)
    changes.push(changed)
    return judge(config, changed)
  }
  const agent = startAgent(ends.agent, clock, held, apply, report)
  const inSync = (version: number) =>
    eventually(() => agreed(server.status.value.ackedVersion === version && agent.status.value.version === version))
  return { agent, server, view, clock, pushes, reports, applied, changes, inSync }
}

function startAgent(
  channel: AgentEnd,
  clock: FakeClock,
  held: HeldResources = new Map(),
  apply: ApplyConfig = async () => [],
  report = new Watch<HostState>({ health: [], registrations: [] }),
): AgentSession {
  const facts = { kernel: '6.18' }
  const keep = async () => {}
  return startAgentSession({ channel, clock, log: silentLog, agentVersion: '0.1.0', facts, held, apply, keep, report })
}

function startServer(
  channel: ServerEnd,
  clock: FakeClock,
  view: Watch<AgentView | undefined>,
  reports: HostReport[] = [],
): ServerSession {
  const sign = async (identity: string, csr: Buffer) => {
    if (!identity.endsWith('/api')) throw new MeshError('WEFT_IDENTITY_NOT_PLACED', 'nothing places it there')
    return ['leaf', csr.toString()]
  }
  return startServerSession({
    channel,
    view,
    sign,
    onReport: report => void reports.push(report),
    clock,
    log: silentLog,
    serverName: 'server-1',
    serverVersion: '0.1.0',
  })
}

function agreed(condition: boolean): void {
  if (!condition) throw new Error('not yet')
}
