import t from 'tap'
import { type AgentView, currentRejections, nextDelta, offeredView } from '../../../../mesh/wire/delta.ts'
import type { EncodedResource } from '../../../../mesh/wire/messages.ts'

function resource(name: string, hash: string, bytes = 10): EncodedResource {
  return { name, hash, body: Buffer.alloc(bytes) }
}

function view(...resources: readonly EncodedResource[]): AgentView {
  return { version: 1, resources: new Map(resources.map(one => [one.name, one])) }
}

const nobody = { applied: new Map<string, string>(), rejected: new Map() }

t.test('only what differs is sent, and what is gone is removed', async t => {
  const applied = new Map([
    ['a', '1'],
    ['b', '1'],
    ['c', '1'],
  ])
  const delta = nextDelta(view(resource('a', '1'), resource('b', '2')), { ...nobody, applied })
  t.same(delta, { changed: [resource('b', '2')], removed: ['c'], complete: true })
})

t.test('what was refused is not sent again until it changes', async t => {
  const rejected = new Map([['a', { name: 'a', hash: '2', reason: 'no' }]])
  t.same(nextDelta(view(resource('a', '2')), { ...nobody, rejected }).changed, [])
  t.same(nextDelta(view(resource('a', '3')), { ...nobody, rejected }).changed, [resource('a', '3')])
  t.equal(currentRejections(view(resource('a', '2')), rejected).size, 1)
  t.equal(currentRejections(view(resource('a', '3')), rejected).size, 0)
  t.equal(currentRejections(view(), rejected).size, 0)
})

t.test('a large state goes in parts: host and trust first, removals last', async t => {
  const applied = new Map([['old', '1']])
  const all = view(resource('s1', '1', 60), resource('s2', '1', 60), resource('trust', '1'), resource('host', '1'))
  const first = nextDelta(all, { ...nobody, applied }, 100)
  t.same(
    first.changed.map(({ name }) => name),
    ['trust', 'host', 's1'],
  )
  t.same([first.removed, first.complete], [[], false])
  for (const { name, hash } of first.changed) applied.set(name, hash)
  const second = nextDelta(all, { ...nobody, applied }, 100)
  t.same(
    second.changed.map(({ name }) => name),
    ['s2'],
  )
  t.same([second.removed, second.complete], [['old'], true])
})

t.test('one resource larger than a part travels alone, one larger than a message not at all', async t => {
  const all = view(resource('a', '1', 500), resource('b', '1'))
  t.same(
    nextDelta(all, nobody, 100).changed.map(({ name }) => name),
    ['a'],
  )
  const tooLarge = view(resource('a', '1', 32 * 1024 * 1024))
  const rejected = currentRejections(tooLarge, new Map())
  t.match(rejected.get('a')?.reason, /larger than/)
  t.same(nextDelta(tooLarge, { ...nobody, rejected }).changed, [])
})

t.test('what an agent is too old for is kept from it by name', async t => {
  const tried = { ...resource('policy/x', '1'), needs: 'policy-dry-run' } as const
  const all = view(resource('a', '1'), tried)
  const old = offeredView(all, new Set())
  t.same([...old.view.resources.keys()], ['a'])
  t.match(old.withheld, [{ name: 'policy/x', reason: /too old.*policy-dry-run/ }])
  t.same(offeredView(all, new Set(['policy-dry-run'])), { view: all, withheld: [] })
})

t.test('in a state that goes in parts, policies come before what they protect', async t => {
  const resources = ['workload/a', 'service/b', 'policy/c', 'trust', 'traffic/d', 'host'].map(name =>
    resource(name, '1', 60),
  )
  const first = nextDelta(view(...resources), nobody, 220)
  t.same(
    first.changed.map(({ name }) => name),
    ['trust', 'host', 'policy/c'],
  )
})
