import t, { type Test } from 'tap'
import { silentLog } from '../../../../mesh/std/log.ts'
import type { ConsulClient } from '../../../../registry-adapters/consul/client.ts'
import type { Resource } from '../../../../registry-adapters/consul/connection.ts'
import { checkOptions } from '../../../../registry-adapters/consul/options.ts'
import type { Answer } from '../../../../registry-adapters/consul/request.ts'
import { createServiceWatchers } from '../../../../registry-adapters/consul/service-watchers.ts'
import { FakeClock } from '../../../fakes/clock.ts'

/** 1 reader, 5 standing queries and room for 3. */
const maxOpenQueries = 9

t.test('services are watched while there is room, from the index at which they were read', async t => {
  const { watchers, open, clock, opened } = start(t)
  for (const name of ['a', 'b', 'c', 'd']) watchers.offer(name, 7n, false)
  await clock.advance(0)
  t.same([...open.keys()], ['a', 'b', 'c'])
  t.same(opened, ['a@7', 'b@7', 'c@7'])
  t.notOk(watchers.has('d'))
})

t.test('each change is told, and waited on from its index', async t => {
  const { watchers, answer, clock, opened, events } = start(t)
  watchers.offer('a', 7n, false)
  await clock.advance(0)
  answer('a', 9, [instance])
  await clock.advance(1_000)
  answer('a', 9, [instance])
  await clock.advance(1_000)
  t.same(events, ['a changed at 9'], 'the same index is no news')
  t.same(opened, ['a@7', 'a@9', 'a@9'])
})

t.test('a service that changes takes the place of the one that has been still for longest', async t => {
  const { watchers, answer, open, clock, events } = start(t)
  for (const name of ['a', 'b', 'c']) watchers.offer(name, 7n, false)
  await clock.advance(60_000)
  answer('a', 8, [instance])
  await clock.advance(0)
  watchers.offer('a', 8n, true)
  watchers.offer('d', 9n, true)
  await clock.advance(0)
  t.same(events, ['a changed at 8', 'b displaced'])
  t.notOk(watchers.has('b'))
  t.same([...open.keys()].sort(), ['a', 'b', 'c'], 'but Consul still holds its query: hanging up would free nothing')
  answer('b', 7, [instance])
  await clock.advance(0)
  t.same([...open.keys()].sort(), ['a', 'c', 'd'])
  watchers.offer('e', 9n, true)
  watchers.offer('f', 9n, true)
  answer('c', 7, [instance])
  await clock.advance(0)
  t.same([...open.keys()].sort(), ['a', 'd', 'e'], 'one that has its place since a moment keeps it')
})

t.test('the last answer of a service that lost its place still counts', async t => {
  const { watchers, answer, clock, events } = start(t)
  for (const name of ['a', 'b', 'c']) watchers.offer(name, 7n, false)
  await clock.advance(60_000)
  watchers.offer('d', 9n, true)
  answer('a', 8, [instance])
  await clock.advance(0)
  t.same(events, ['a displaced', 'a changed at 8'])
})

t.test('an answer that is empty or has gone backwards ends the watch, and the service is read', async t => {
  const { watchers, answer, open, clock, events } = start(t)
  for (const name of ['a', 'b']) watchers.offer(name, 7n, false)
  await clock.advance(0)
  answer('a', 8, [])
  answer('b', 3, [instance])
  await clock.advance(0)
  t.same(events, ['a lost', 'b lost'])
  t.equal(open.size, 0)
})

t.test('where Consul refuses a query, less is asked, and nothing before a pause', async t => {
  const { watchers, answer, fail, open, clock, events, warnings } = start(t)
  for (const name of ['a', 'b', 'c']) watchers.offer(name, 7n, false)
  await clock.advance(0)
  fail('c')
  await clock.advance(0)
  t.same(events, ['a displaced', 'c lost'], 'of the two that are left one makes room for others')
  answer('a', 7, [instance])
  watchers.offer('c', 7n, false)
  await clock.advance(0)
  t.same([...open.keys()], ['b'])
  await clock.advance(1_000)
  t.same(events.slice(2), ['c displaced'], 'it is offered anew when the pause is over')
  watchers.offer('c', 7n, false)
  await clock.advance(0)
  t.same([...open.keys()], ['b'], 'there is no room any more')
  t.equal(warnings.length, 1)
  await clock.advance(600_000)
  watchers.reopen()
  t.same(events.slice(3), ['b displaced'])
  await clock.advance(0)
  for (const name of ['a', 'b', 'c']) watchers.offer(name, 7n, false)
  await clock.advance(0)
  t.same([...open.keys()], ['a', 'b', 'c'], 'it is tried again after a long time')
})

t.test('when something else is refused, watches make room for it', async t => {
  const { watchers, clock, events } = start(t)
  for (const name of ['a', 'b', 'c']) watchers.offer(name, 7n, false)
  await clock.advance(60_000)
  watchers.yieldRoom(new Error('connect ECONNREFUSED'))
  t.same(events, [], 'a Consul that is away needs no room')
  watchers.yieldRoom(hangUp())
  watchers.yieldRoom(hangUp())
  t.same(events, ['a displaced'], 'once before each pause')
})

t.test('a query that fails after a while says nothing about the room', async t => {
  const { watchers, fail, open, clock, warnings } = start(t)
  for (const name of ['a', 'b', 'c']) watchers.offer(name, 7n, false)
  await clock.advance(5_000)
  fail('c')
  await clock.advance(1_000)
  watchers.offer('c', 7n, false)
  await clock.advance(0)
  t.equal(open.size, 3)
  t.same(warnings, [])
})

t.test('a service that is not listed any more is not watched any more', async t => {
  const { watchers, answer, open, clock, events } = start(t)
  for (const name of ['a', 'b']) watchers.offer(name, 7n, false)
  await clock.advance(0)
  watchers.retain(new Set(['b']))
  answer('a', 8, [instance])
  await clock.advance(0)
  t.same([...open.keys()], ['b'])
  t.same(events, ['a changed at 8'])
})

const instance = { Node: { Node: 'vm-1', Address: '10.0.0.1' }, Service: { ID: 'x', Service: 'x', Port: 80 } }

function hangUp(): Error {
  return Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
}

/** A client whose queries stay open until the test answers them. */
function start(t: Test) {
  const clock = new FakeClock()
  const controller = new AbortController()
  const open = new Map<string, { resolve(answer: Answer): void; reject(error: Error): void }>()
  const opened: string[] = []
  const events: string[] = []
  const warnings: string[] = []
  const client: ConsulClient = {
    read(resource: Resource, mode, signal) {
      const name = resource.kind === 'service' ? resource.name : resource.kind
      opened.push(`${name}@${mode.kind === 'blocking' ? mode.index : 'now'}`)
      return new Promise((resolve, reject) => {
        const settled = { resolve, reject }
        open.set(name, settled)
        signal.addEventListener('abort', () => {
          if (open.get(name) === settled) open.delete(name)
          reject(new Error('aborted'))
        })
      })
    },
    write: () => Promise.reject(new Error('nothing is written here')),
    async goHome() {},
    async close() {},
  }
  const watchers = createServiceWatchers(
    {
      client,
      settings: checkOptions({ address: 'http://127.0.0.1:8500', maxOpenQueries }),
      clock,
      random: () => 0.5,
      log: { ...silentLog, warn: message => void warnings.push(message) },
      changed: (name, { index }) => void events.push(`${name} changed at ${index}`),
      lost: name => void events.push(`${name} lost`),
      displaced: names => void events.push(...[...names].map(name => `${name} displaced`)),
    },
    controller.signal,
  )
  t.teardown(async () => {
    controller.abort()
    await watchers.ended()
    if (clock.pending > 0) throw new Error('timers are left')
    if (open.size > 0) throw new Error('queries are left')
  })
  const answer = (name: string, index: number, body: unknown) => {
    open.get(name)!.resolve({ index: BigInt(index), body })
    open.delete(name)
  }
  const fail = (name: string) => {
    open.get(name)!.reject(hangUp())
    open.delete(name)
  }
  return { watchers, clock, open, opened, events, warnings, answer, fail }
}
