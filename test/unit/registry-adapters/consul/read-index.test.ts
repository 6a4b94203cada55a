import t from 'tap'
import type { ConsulCheck, ConsulInstance, ConsulNode } from '../../../../registry-adapters/consul/answers.ts'
import { createReadIndex } from '../../../../registry-adapters/consul/read-index.ts'
import { consulCheck, consulInstance, consulNode } from '../../../support/consul-instance.ts'

const check = (node: string, id: string, service: string, status: ConsulCheck['status']) =>
  consulCheck({ node, id, service, status })
const node = (name: string, address = '10.0.0.1') => consulNode({ name, address })
const instance = (on: ConsulNode, checks: readonly ConsulCheck[] = []) => consulInstance({ node: on, checks })

const indexOf = (read: readonly (readonly [string, readonly ConsulInstance[]])[]) => {
  const index = createReadIndex()
  for (const [name, instances] of read) index.read(name, instances)
  return index
}

t.test('services on a node that is not as it was read', async t => {
  const read = [
    ['moved', [instance(node('a')), instance(node('b'))]],
    ['same', [instance(node('b'))]],
    ['on-a-node-that-is-not-listed', [instance(node('gone'))]],
  ] as const
  t.same(indexOf(read).outdatedByNodes([node('a', '10.0.0.9'), node('b'), node('new')]), ['moved'])
})

t.test('services whose checks of a status are not as they were read', async t => {
  const critical = (service: string) => check('a', `service:${service}`, service, 'critical')
  const warning = (service: string) => check('a', `service:${service}`, service, 'warning')
  const index = indexOf([
    ['same', [instance(node('a'), [critical('same'), check('a', 'serfHealth', '', 'passing')])]],
    ['recovered', [instance(node('a'), [critical('recovered')])]],
    ['failed', [instance(node('a'), [check('a', 'service:failed', 'failed', 'passing')])]],
    ['worse', [instance(node('a'), [warning('worse')])]],
    ['failed-elsewhere', [instance(node('a'))]],
    ['on-a-lost-node', [instance(node('lost'))]],
    ['known-to-be-lost', [instance(node('lost'), [check('lost', 'serfHealth', '', 'critical')])]],
  ])
  const listed = [
    critical('same'),
    critical('failed'),
    critical('worse'),
    check('b', 'service:failed-elsewhere', 'failed-elsewhere', 'critical'),
    check('lost', 'serfHealth', '', 'critical'),
    critical('not-read-yet'),
  ]
  const outdated = ['failed', 'failed-elsewhere', 'on-a-lost-node', 'recovered', 'worse']
  t.same(index.outdatedByChecks('critical', listed).toSorted(), outdated)
  t.same(index.outdatedByChecks('warning', []), ['worse'])
  t.same(index.outdatedByChecks('warning', [warning('worse')]), [])
})

t.test('a service that is read again, or not listed any more, leaves nothing behind', async t => {
  const index = indexOf([['api', [instance(node('a'), [check('a', 'c', 'api', 'critical')])]]])
  index.read('api', [instance(node('b'))])
  t.same(index.outdatedByChecks('critical', []), [])
  t.same(index.outdatedByNodes([node('a', '10.0.0.9')]), [])
  t.same(index.outdatedByNodes([node('b', '10.0.0.9')]), ['api'])
  index.retain(new Set())
  t.same(index.outdatedByNodes([node('b', '10.0.0.9')]), [])
  t.same(index.outdatedByChecks('critical', [check('b', 'serfHealth', '', 'critical')]), [])
})
