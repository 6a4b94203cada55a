import fc from 'fast-check'
import t from 'tap'
import { assignPorts, callerIdentities } from '../../../../agent/control/port-assignment.ts'
import { aConfig, aWorkload } from '../../../support/agent-config.ts'

t.test('gives every identity a port of its own, in order', async t => {
  t.same(
    [...assignPorts(['a', 'b'], new Map(), 15100)],
    [
      ['a', 15100],
      ['b', 15101],
    ],
  )
})

t.test('lets an identity keep its port while others come and go, and when it comes back', async t => {
  const first = assignPorts(['a', 'b', 'c'], new Map(), 15100)
  const without = assignPorts(['c', 'd'], first, 15100)
  t.equal(without.get('c'), 15102)
  t.equal(without.get('d'), 15103)
  t.equal(assignPorts(['a', 'c', 'd'], without, 15100).get('a'), 15100)
})

t.test('moves on from ports that something else holds', async t => {
  const first = assignPorts(['a', 'b'], new Map(), 15100)
  t.same(
    [...assignPorts(['a', 'b'], first, 15100, new Set([15100]))],
    [
      ['b', 15101],
      ['a', 15102],
    ],
  )
})

t.test(
  'starts over when the base was raised, and gives away ports of absent identities only when they run out',
  async t => {
    t.equal(assignPorts(['a'], new Map([['a', 15100]]), 20000).get('a'), 20000)
    const full = new Map([
      ['gone', 65534],
      ['a', 65535],
    ])
    const next = assignPorts(['a', 'b'], full, 65534)
    t.same([next.get('a'), next.get('b'), next.get('gone')], [65535, 65534, undefined])
    t.throws(() => assignPorts(['a', 'b', 'c'], full, 65534), { code: 'WEFT_LISTEN' })
  },
)

t.test('never gives one port to two identities', async () => {
  const identity = fc.constantFrom(...'abcdefgh')
  fc.assert(
    fc.property(
      fc.array(fc.uniqueArray(identity), { maxLength: 6 }),
      fc.array(fc.tuple(identity, fc.integer({ min: 15098, max: 15104 }))),
      (rounds, saved) => {
        let assigned: ReadonlyMap<string, number> = new Map(saved)
        for (const identities of rounds) {
          assigned = assignPorts(identities, assigned, 15100)
          const ports = [...assigned.values()]
          if (new Set(ports).size !== ports.length || ports.some(port => port < 15100)) return false
          if (!identities.every(one => assigned.has(one))) return false
        }
        return true
      },
    ),
  )
})

t.test('counts only workloads that have an identity and callers', async t => {
  const callers = [{ kind: 'uid' as const, uid: 1 }]
  const { identity: _, ...unplaced } = aWorkload({ id: 'c', callers })
  const config = aConfig({
    workloads: [aWorkload({ id: 'a', identity: 'x', callers }), aWorkload({ id: 'b', identity: 'y' }), unplaced],
  })
  t.same(callerIdentities(config), ['x'])
})
