import t from 'tap'
import type { ConsulCheck, ConsulInstance, ConsulNode } from '../../../../registry-adapters/consul/answers.ts'
import { changedNames, outdatedByChecks, outdatedByNodes } from '../../../../registry-adapters/consul/hints.ts'

const check = (node: string, id: string, service: string, status: ConsulCheck['status']): ConsulCheck => ({
  node,
  id,
  service,
  status,
})
const node = (name: string, address = '10.0.0.1'): ConsulNode => ({ name, address, datacenter: 'dc1', meta: {} })
const instance = (on: ConsulNode, checks: readonly ConsulCheck[] = []): ConsulInstance => ({
  node: on,
  id: 'x',
  kind: '',
  address: '',
  port: 80,
  tags: [],
  meta: {},
  weights: { passing: 1, warning: 1 },
  checks,
  modifyIndex: 1,
})

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

t.test('services on a node that is not as it was read', async t => {
  const read = [
    ['moved', [instance(node('a')), instance(node('b'))]],
    ['same', [instance(node('b'))]],
    ['on-a-node-that-is-not-listed', [instance(node('gone'))]],
  ] as const
  t.same(outdatedByNodes(read, [node('a', '10.0.0.9'), node('b'), node('new')]), ['moved'])
})

t.test('services whose checks are not as they were read', async t => {
  const critical = (service: string) => check('a', `service:${service}`, service, 'critical')
  const read = [
    ['same', [instance(node('a'), [critical('same'), check('a', 'serfHealth', '', 'passing')])]],
    ['recovered', [instance(node('a'), [critical('recovered')])]],
    ['failed', [instance(node('a'), [check('a', 'service:failed', 'failed', 'passing')])]],
    ['worse', [instance(node('a'), [check('a', 'service:worse', 'worse', 'warning')])]],
    ['failed-elsewhere', [instance(node('a'))]],
    ['on-a-lost-node', [instance(node('lost'))]],
    ['known-to-be-lost', [instance(node('lost'), [check('lost', 'serfHealth', '', 'critical')])]],
  ] as const
  const listed = [
    critical('same'),
    critical('failed'),
    critical('worse'),
    check('b', 'service:failed-elsewhere', 'failed-elsewhere', 'critical'),
    check('lost', 'serfHealth', '', 'critical'),
    check('a', 'serfHealth', '', 'passing'),
    critical('not-read-yet'),
  ]
  t.same(outdatedByChecks(read, listed), ['recovered', 'failed', 'worse', 'failed-elsewhere', 'on-a-lost-node'])
})
