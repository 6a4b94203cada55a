import t from 'tap'
import { changedNames } from '../../../../registry-adapters/consul/hints.ts'

t.test('names that are new or have other tags', async t => {
  const before = new Map([
    ['api', ['v1', 'v2']],
    ['web', []],
    ['gone', []],
  ])
  const now = new Map([
    ['api', ['v2', 'v1']],
    ['web', ['blue']],
    ['new', []],
  ])
  t.same(changedNames(before, now), ['web', 'new'])
})
