import t from 'tap'
import { type CallerFacts, createCallerFacts, resolveCallers } from '../../../../agent/intercept/callers.ts'
import { createTools } from '../../../../agent/intercept/tools.ts'
import type { CallerSelector } from '../../../../mesh/model/workload.ts'

const web: CallerSelector = { kind: 'cgroup', path: 'system.slice/web.service' }
const slice: CallerSelector = { kind: 'cgroup', path: 'system.slice' }
const uid = (number: number): CallerSelector => ({ kind: 'uid', uid: number })

function facts(present: readonly string[], uids: Readonly<Record<string, readonly number[]>> = {}): CallerFacts {
  return {
    tree: { id: path => (present.includes(path) ? BigInt(present.indexOf(path) + 1) : undefined) },
    uidOf: async user => (user === 'web' ? 1001 : undefined),
    uidsOf: cgroup => new Set(uids[cgroup] ?? []),
  }
}

const states = async (selectors: readonly [CallerSelector, number][], on: CallerFacts) => {
  const routes = selectors.map(([selector, port]) => ({ selectors: [selector], port }))
  const { matches, status } = await resolveCallers(routes, on)
  return { matches, states: status.map(({ state }) => state) }
}

t.test('cgroups come before uids, because they say more about a process', async t => {
  const resolved = await states(
    [
      [uid(1001), 15101],
      [web, 15102],
    ],
    facts(['system.slice/web.service']),
  )
  t.same(resolved.matches, [
    { kind: 'cgroup', path: 'system.slice/web.service', port: 15102 },
    { kind: 'uid', uid: 1001, port: 15101 },
  ])
})

t.test('what is not there is left out and told', async t => {
  const user: CallerSelector = { kind: 'user', user: 'web' }
  const nobody: CallerSelector = { kind: 'user', user: 'gone' }
  const odd: CallerSelector = { kind: 'cgroup', path: '../..' }
  const resolved = await states(
    [
      [web, 15101],
      [user, 15102],
      [nobody, 15103],
      [odd, 15104],
    ],
    facts([]),
  )
  t.same(resolved.states, ['absent', 'matched', 'unknown-user', 'invalid'])
  t.same(resolved.matches, [{ kind: 'uid', uid: 1001, port: 15102 }])
})

t.test('a selector that could take processes of another workload is left out, also while those are away', async t => {
  for (const present of [['system.slice', 'system.slice/web.service'], ['system.slice']]) {
    const nested = await states(
      [
        [slice, 15101],
        [web, 15102],
      ],
      facts(present),
    )
    t.equal(nested.states[0], 'ambiguous')
    t.notOk(nested.matches.some(({ port }) => port === 15101))
  }
  t.same(
    (
      await states(
        [
          [uid(5), 15101],
          [uid(5), 15102],
        ],
        facts([]),
      )
    ).states,
    ['ambiguous', 'ambiguous'],
  )
  const shared = facts([], { 'system.slice/web.service': [5] })
  t.same(
    (
      await states(
        [
          [uid(5), 15101],
          [web, 15102],
        ],
        shared,
      )
    ).states,
    ['ambiguous', 'absent'],
  )
})

t.test('selectors of one workload may overlap as they like', async t => {
  const routes = [{ selectors: [slice, web, uid(5), uid(5)], port: 15101 }]
  const on = facts(['system.slice', 'system.slice/web.service'], { 'system.slice/web.service': [5] })
  const { status, matches } = await resolveCallers(routes, on)
  t.same(
    status.map(({ state }) => state),
    ['matched', 'matched', 'matched', 'matched'],
  )
  t.equal(matches.length, 3, 'the same match twice is one rule')
})

t.test('users are found by this machine, and strange names are never handed to a program', async t => {
  const { uidOf } = createCallerFacts(undefined, createTools())
  t.equal(await uidOf('root'), 0)
  t.equal(await uidOf('no-such-user-here'), undefined)
  t.equal(await uidOf('--help'), undefined)
})
