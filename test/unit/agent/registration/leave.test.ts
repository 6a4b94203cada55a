import t from 'tap'
import type { LinkStatus, ServerLink } from '../../../../agent/control/server-link.ts'
import { leaveMesh } from '../../../../agent/registration/leave.ts'
import { createRegistrations } from '../../../../agent/registration/registrations.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { Watch } from '../../../../mesh/std/watch.ts'
import { FakeClock } from '../../../fakes/clock.ts'

const common = { since: 0, version: 1, rejected: [] }

function world(kind: LinkStatus['kind'], registered = true) {
  const clock = new FakeClock()
  const happened: string[] = []
  const registrations = createRegistrations(
    { log: silentLog, async save() {} },
    {
      kept: { declared: [], maintenance: new Map() },
      defaultName: 'vm-1',
      ...(registered && { automatic: { group: 'a/b', name: 'vm-1', address: '10.0.0.1', ports: {} } }),
    },
  )
  registrations.reported.subscribe(list => happened.push(`reported ${list.length}`))
  const status: LinkStatus =
    kind === 'connected' ? { kind, server: 's1', ...common } : { kind, reason: 'gone', ...common }
  const link: Pick<ServerLink, 'status' | 'stop'> = {
    status: new Watch<LinkStatus>(status),
    async stop() {
      happened.push(`link stopped after ${clock.monotonic()} ms`)
    },
  }
  const freeze = () => void happened.push('frozen')
  return { clock, happened, leave: (limitMs: number) => leaveMesh({ clock, registrations, link, freeze }, limitMs) }
}

t.test(
  'holds on to what it has, deregisters, then stops listening to the server, then waits for the others to hear of it',
  async t => {
    const { clock, happened, leave } = world('connected')
    let tookMs: number | undefined
    const leaving = leave(15_000).then(ms => {
      tookMs = ms
    })
    t.same(happened, ['frozen', 'reported 0'])
    await clock.advance(200)
    t.same(happened, ['frozen', 'reported 0', 'link stopped after 200 ms'])
    await clock.advance(1799)
    t.equal(tookMs, undefined)
    await clock.advance(1)
    await leaving
    t.equal(tookMs, 2000)
  },
)

t.test('waits no longer than it may', async t => {
  const { clock, happened, leave } = world('connected')
  const leaving = leave(500)
  await clock.advance(500)
  t.equal(await leaving, 500)
  const hurried = world('connected')
  const gone = hurried.leave(0)
  await hurried.clock.advance(0)
  t.equal(await gone, 0)
  t.same(hurried.happened, ['frozen', 'reported 0', 'link stopped after 0 ms'])
  t.equal(happened.length, 3)
})

t.test('does not wait when there is nothing to take back, or nobody to tell', async t => {
  const nothing = world('connected', false)
  t.equal(await nothing.leave(15_000), 0)
  t.same(nothing.happened, [])
  const alone = world('disconnected')
  t.equal(await alone.leave(15_000), 0)
  t.same(alone.happened, ['reported 0'])
})
