import t, { type Test } from 'tap'
import { createServerLink, type ServerLink } from '../../../../agent/control/server-link.ts'
import type { Signer } from '../../../../agent/identity/keeper.ts'
import type { AgentConfig } from '../../../../mesh/model/agent-config.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import type { Channel } from '../../../../mesh/wire/channel.ts'
import type { HeldResources } from '../../../../mesh/wire/held-resources.ts'
import type { AgentMessage, ServerMessage } from '../../../../mesh/wire/messages.ts'
import type { HostState } from '../../../../mesh/wire/report-sender.ts'
import { FakeClock } from '../../../fakes/clock.ts'

/** The server's end of a channel, told what to say by the test. */
class FakeServer implements Channel<ServerMessage, AgentMessage> {
  readonly heard: AgentMessage[] = []
  #receive: (message: ServerMessage) => void = () => {}
  #closed: (reason: string) => void = () => {}
  reason: string | undefined
  send(message: AgentMessage): void {
    this.heard.push(message)
  }
  bufferedBytes(): number {
    return 0
  }
  onMessage(receive: (message: ServerMessage) => void): void {
    this.#receive = receive
  }
  onClose(closed: (reason: string) => void): void {
    this.#closed = closed
  }
  close(reason: string): void {
    if (this.reason !== undefined) return
    this.reason = reason
    this.#closed(reason)
  }
  say(message: ServerMessage): void {
    this.#receive(message)
  }
  welcome(): void {
    this.say({ kind: 'welcome', protocol: 1, serverVersion: 'test', serverName: 's1' })
  }
}

interface World {
  readonly clock: FakeClock
  readonly link: ServerLink
  readonly signer: Watch<Signer | undefined>
  readonly attempts: number[]
  readonly channels: FakeServer[]
  reachable: boolean
}

function start(t: Test): World {
  const clock = new FakeClock()
  const signer = new Watch<Signer | undefined>(undefined)
  const world = { clock, signer, attempts: [] as number[], channels: [] as FakeServer[], reachable: true }
  const link = createServerLink(
    {
      clock,
      random: () => 0.999,
      log: silentLog,
      signer,
      async connect() {
        world.attempts.push(clock.monotonic())
        if (!world.reachable) throw new Error('connection refused')
        const channel = new FakeServer()
        world.channels.push(channel)
        return channel
      },
      apply: async (_config: AgentConfig) => [],
      keep: async (_held: HeldResources) => {},
      report: new Watch<HostState>({ health: [], registrations: [] }),
    },
    { agentVersion: 'test', held: new Map() },
  )
  link.start({ os: 'test' })
  t.teardown(() => link.stop())
  return Object.assign(world, { link })
}

t.test('says hello and counts as connected once it is welcomed', async t => {
  const { clock, link, signer, channels } = start(t)
  await clock.advance(0)
  t.match(channels[0]?.heard, [{ kind: 'hello', agentVersion: 'test', facts: { os: 'test' } }])
  t.match(link.status.value, { kind: 'disconnected', reason: 'not connected yet' })
  t.equal(signer.value, undefined)
  channels[0]?.welcome()
  t.match(link.status.value, { kind: 'connected', server: 's1', since: clock.now() })
  t.type(signer.value, 'function')
})

t.test('tries again with growing delays, and says since when and why', async t => {
  const world = start(t)
  world.reachable = false
  const since = world.clock.now()
  await world.clock.advance(5 * 60_000)
  const gaps = world.attempts.slice(2).map((at, index) => at - (world.attempts[index + 1] ?? 0))
  t.ok(gaps.length > 8)
  t.ok(gaps.every((gap, index) => index === 0 || gap >= (gaps[index - 1] ?? 0)))
  t.ok(Math.max(...gaps) <= 30_000)
  world.channels[0]?.close('lost')
  await world.clock.advance(0)
  t.match(world.link.status.value, { kind: 'disconnected', since })
})

t.test('connects again after a loss and starts from short delays after a good session', async t => {
  const world = start(t)
  await world.clock.advance(0)
  world.channels[0]?.welcome()
  await world.clock.advance(9_000)
  world.channels[0]?.welcome()
  await world.clock.advance(9_000)
  world.channels[0]?.welcome()
  await world.clock.advance(9_000)
  world.channels[0]?.welcome()
  await world.clock.advance(9_000)
  const lost = world.clock.now()
  world.channels[0]?.close('reset')
  await world.clock.advance(0)
  t.match(world.link.status.value, { kind: 'disconnected', since: lost, reason: 'reset' })
  t.equal(world.signer.value, undefined)
  await world.clock.advance(500)
  t.equal(world.channels.length, 2)
})

t.test('takes a server that says nothing for dead', async t => {
  const world = start(t)
  await world.clock.advance(0)
  world.channels[0]?.welcome()
  await world.clock.advance(31_000)
  t.match(world.channels[0]?.reason, /silent/)
  t.ok(world.channels.length >= 2)
})

t.test('shows why the server refused it', async t => {
  const world = start(t)
  await world.clock.advance(0)
  world.channels[0]?.say({ kind: 'refused', code: 'WEFT_TOKEN_REFUSED', reason: 'this node is banned' })
  await world.clock.advance(0)
  t.match(world.link.status.value, { kind: 'disconnected', reason: 'this node is banned (WEFT_TOKEN_REFUSED)' })
})

t.test('makes a new session when told to, and none after it was stopped', async t => {
  const world = start(t)
  await world.clock.advance(0)
  world.channels[0]?.welcome()
  world.link.reconnect('the node certificate was renewed')
  await world.clock.advance(1_000)
  t.equal(world.channels.length, 2)
  await world.link.stop()
  await world.clock.advance(120_000)
  t.equal(world.channels.length, 2)
  t.ok(world.channels.every(channel => channel.reason !== undefined))
  t.equal(world.clock.pending, 0)
})
