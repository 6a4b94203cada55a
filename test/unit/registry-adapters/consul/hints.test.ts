import t from 'tap'
import type { ConsulCheck, ConsulNode } from '../../../../registry-adapters/consul/answers.ts'
import { changedChecks, changedNames, changedNodes } from '../../../../registry-adapters/consul/hints.ts'

const check = (node: string, id: string, service: string, status: ConsulCheck['status']): ConsulCheck => ({
  node,
  id,
  service,
  status,
})
const node = (name: string, address: string): ConsulNode => ({ name, address, datacenter: 'dc1', meta: {} })

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

t.test('nodes that differ, not those that came or went', async t => {
  const before = [node('a', '10.0.0.1'), node('b', '10.0.0.2'), node('gone', '10.0.0.3')]
  t.same(changedNodes(before, [node('a', '10.0.0.9'), node('b', '10.0.0.2'), node('new', '10.0.0.4')]), ['a'])
})

t.test('checks that came, went or changed, by service or by node', async t => {
  const before = [
    check('a', 'same', 'same', 'critical'),
    check('a', 'went', 'went', 'critical'),
    check('a', 'changed', 'changed', 'critical'),
    check('a', 'serfHealth', '', 'passing'),
  ]
  const now = [
    check('a', 'same', 'same', 'critical'),
    check('b', 'went', 'other-node', 'critical'),
    check('a', 'changed', 'changed', 'warning'),
    check('a', 'serfHealth', '', 'critical'),
  ]
  const { services, nodes } = changedChecks(before, now)
  t.same([...services].sort(), ['changed', 'other-node', 'went'])
  t.same(nodes, ['a'])
})
