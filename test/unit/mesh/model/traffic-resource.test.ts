import t from 'tap'
import { type TrafficResource, trafficConfigOf } from '../../../../mesh/model/traffic-resource.ts'
import { wholeTrafficResources } from '../../../support/traffic.ts'

function settings(namespace: string, name: string, createdAt: number, sampling: number): TrafficResource {
  return { kind: 'traffic', resource: 'MeshSettings', namespace, name, createdAt, spec: { tracing: { sampling } } }
}

t.test('every kind has its list, with name, namespace, time and spec of each', async t => {
  const traffic = trafficConfigOf('weft-system', wholeTrafficResources)
  t.equal(traffic.rootNamespace, 'weft-system')
  for (const list of [traffic.virtualServices, traffic.destinationRules, traffic.sidecars]) {
    t.equal(list.length, 1)
    t.same(Object.keys(list[0] ?? {}).sort(), ['createdAt', 'name', 'namespace', 'spec'])
  }
  t.equal(traffic.virtualServices[0]?.spec, wholeTrafficResources[0]?.spec)
  t.equal(traffic.mesh, wholeTrafficResources[3]?.spec)
})

t.test('the settings of the mesh are the oldest ones of the root namespace', async t => {
  const sampling = (...resources: readonly TrafficResource[]) => {
    return trafficConfigOf('root', resources).mesh.tracing?.sampling
  }
  t.equal(sampling(settings('shop', 'mesh', 1, 5)), undefined)
  t.equal(sampling(settings('root', 'b', 2, 6), settings('shop', 'a', 1, 5), settings('root', 'c', 3, 7)), 6)
  t.equal(sampling(settings('root', 'b', 2, 6), settings('root', 'a', 2, 7)), 7)
  t.same(trafficConfigOf('root', []).mesh, {})
})
