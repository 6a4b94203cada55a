import t from 'tap'
import type { VirtualServiceSpec } from '../../../../mesh/model/traffic.ts'
import type { TrafficResource } from '../../../../mesh/model/traffic-resource.ts'
import { delegationsOf } from '../../../../server/compile/delegations.ts'
import { concerns } from '../../../../server/compile/visibility.ts'

function virtualService(place: string, spec: VirtualServiceSpec): TrafficResource {
  const [namespace = '', name = ''] = place.split('/')
  return { kind: 'traffic', resource: 'VirtualService', namespace, name, createdAt: 0, spec }
}

const delegating = (name: string, namespace?: string) => ({ delegate: { name, namespace } })
const kid = (exportTo?: readonly string[]) => virtualService('payments/kid', { http: [], exportTo })
const root = (exportTo?: readonly string[]) =>
  virtualService('shop/root', { hosts: ['cart'], http: [delegating('kid', 'payments')], exportTo })

/** Which of them an agent with workloads of the namespaces gets. */
function sent(traffic: readonly TrafficResource[], ...namespaces: readonly string[]): string[] {
  const scope = {
    namespaces: new Set(namespaces),
    serviceNamespaces: new Set<string>(),
    rootNamespace: 'weft-system',
    delegations: delegationsOf(traffic),
  }
  return traffic.filter(one => concerns(one, scope)).map(({ name }) => name)
}

t.test('a delegate goes with the VirtualService that delegates to it', async t => {
  t.same(sent([root(), kid()], 'front'), ['root', 'kid'])
  t.same(sent([root(), kid(['shop'])], 'front'), ['root', 'kid'], 'whose namespace it is exported to')
  t.same(sent([root(['.']), kid()], 'shop'), ['root', 'kid'])
  t.same(sent([root(), kid()]), ['root', 'kid'], 'to hosts without workloads as well')
})

t.test('a delegate that would not be used is not sent', async t => {
  t.same(sent([kid()], 'front', 'payments'), [], 'nobody delegates to it')
  t.same(sent([root(['.']), kid()], 'front'), [], 'the root is not for the host')
  t.same(sent([root(), kid(['.'])], 'payments'), ['root'], 'it is not for the root’s namespace')
  const other = virtualService('shop/root', { hosts: ['cart'], http: [delegating('kid')] })
  t.same(sent([other, kid()], 'front'), ['root'], 'the kid of another namespace is meant')
})

t.test('of several that delegate to it one is enough', async t => {
  const far = virtualService('far/root', { hosts: ['x'], http: [delegating('kid', 'payments')], exportTo: ['.'] })
  t.same(sent([far, root(), kid(['shop', 'far'])], 'front'), ['root', 'kid'])
  t.same(sent([far, kid(['shop'])], 'far'), ['root'])
})

t.test('references are found by full name, each VirtualService once', async t => {
  const twice = virtualService('shop/twice', { hosts: ['a'], http: [delegating('kid'), delegating('kid', 'shop')] })
  const found = delegationsOf([twice, kid(), root()])
  t.same([...found.keys()], ['shop/kid', 'payments/kid'])
  t.equal(found.get('shop/kid')?.length, 1)
})
