import t from 'tap'
import { MeshError } from '../../../mesh/std/errors.ts'
import type { AdapterHealth } from '../../../registry-adapters/adapter.ts'
import { createStanding, reasonOf } from '../../../registry-adapters/standing.ts'

t.test('it is fresh when there is a view and no part is failing, and says only what is new', async t => {
  const said: AdapterHealth[] = []
  const standing = createStanding(health => void said.push(health))
  standing.succeeded('nodes')
  t.same(said, [], 'nothing is fresh before the first view')
  standing.viewed()
  standing.viewed()
  standing.failed('services', new Error('a'))
  standing.failed('services', new Error('a'))
  standing.failed('nodes', new Error('b'))
  t.notOk(standing.succeeded('checks'))
  t.ok(standing.succeeded('services'))
  t.ok(standing.succeeded('nodes'))
  t.same(said, [
    { kind: 'fresh' },
    { kind: 'failing', reason: 'a' },
    { kind: 'failing', reason: 'b' },
    { kind: 'fresh' },
  ])
})

t.test('a reason is one line with the values', async t => {
  const cause = new Error('connect ECONNREFUSED')
  const error = new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'consul cannot be read', {
    fields: { read: 'nodes' },
    cause,
  })
  t.equal(reasonOf(error), 'consul cannot be read: connect ECONNREFUSED (read nodes)')
})
