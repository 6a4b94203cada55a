import fc from 'fast-check'
import t from 'tap'
import { serviceKey } from '../../../../mesh/model/service.ts'
import type { JsonObject } from '../../../../registry-adapters/json.ts'
import { createClusterView } from '../../../../registry-adapters/kubernetes/cluster-view.ts'
import { createIstioView } from '../../../../registry-adapters/kubernetes/istio-view.ts'
import { readNode, readPod, readService, readSlice } from '../../../../registry-adapters/kubernetes/objects.ts'

const anyText = fc.oneof(
  fc.string(),
  fc.constantFrom(
    '',
    'web',
    'default',
    '10.0.0.1',
    'fd00::1',
    '::ffff:10.0.0.1',
    'None',
    '__proto__',
    'constructor',
    'TCP',
  ),
)
const anyNumber = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 80, 65_536, -1))
const anyMap = fc.oneof(fc.dictionary(anyText, fc.oneof(anyText, fc.anything())), fc.anything())
const anyList = <T>(item: fc.Arbitrary<T>) =>
  fc.oneof(fc.array(fc.oneof(item, fc.anything()), { maxLength: 4 }), fc.anything())
const name = fc.constantFrom('web', 'api', 'Not_A_Label', '')

const metadata = fc.record(
  {
    name,
    namespace: fc.constantFrom('default', 'shop', 'a/b'),
    resourceVersion: fc.oneof(anyText, fc.nat().map(String)),
    labels: fc.oneof(anyMap, fc.record({ 'kubernetes.io/service-name': name, app: anyText })),
    annotations: fc.oneof(
      anyMap,
      fc.dictionary(fc.constantFrom('weft.dev/protocol', 'weft.dev/weight', 'weft.dev/node', 'weft.dev/x'), anyText),
    ),
    ownerReferences: anyList(fc.record({ kind: anyText, name: anyText, controller: fc.constant(true) })),
  },
  { requiredKeys: [] },
)

const port = fc.record(
  { name: anyText, port: anyNumber, protocol: anyText, appProtocol: anyText },
  { requiredKeys: [] },
)

/** Objects with anything at all in the places that the adapter reads. */
const anyService = fc.record({
  metadata,
  spec: fc.record(
    { type: anyText, clusterIP: anyText, clusterIPs: anyList(anyText), ports: anyList(port), externalName: anyText },
    { requiredKeys: [] },
  ),
})
const anySlice = fc.record({
  metadata,
  addressType: fc.oneof(anyText, fc.constantFrom('IPv4', 'IPv6', 'FQDN')),
  ports: anyList(port),
  endpoints: anyList(
    fc.record(
      {
        addresses: anyList(anyText),
        conditions: fc.oneof(fc.dictionary(fc.constantFrom('ready', 'serving', 'terminating'), fc.boolean()), anyMap),
        targetRef: fc.oneof(fc.record({ kind: fc.constant('Pod'), name }), anyMap),
        nodeName: anyText,
        zone: anyText,
      },
      { requiredKeys: [] },
    ),
  ),
})
const anyPod = fc.record(
  {
    metadata,
    spec: fc.record({ serviceAccountName: anyText }, { requiredKeys: [] }),
    status: fc.record({ podIP: anyText, podIPs: anyList(fc.record({ ip: anyText })) }, { requiredKeys: [] }),
  },
  { requiredKeys: ['metadata'] },
)

t.test('whatever a cluster says, the view holds together', async t => {
  const context = { registry: 'k8s', clusterName: 'blue', clusterDomain: 'cluster.local', nodeAgents: true } as const
  fc.assert(
    fc.property(
      fc.array(anyService, { maxLength: 4 }),
      fc.array(anySlice, { maxLength: 4 }),
      fc.array(anyPod, { maxLength: 4 }),
      fc.constantFrom('none' as const, 'pods' as const),
      (services, slices, pods, serviceAccounts) => {
        const view = createClusterView({ ...context, serviceAccounts })
        const keyOf = ({ metadata }: { metadata: { namespace?: string; name?: string } }) =>
          `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
        for (const one of services) view.service(keyOf(one), readService(one))
        for (const one of slices) view.slice(keyOf(one), readSlice(one))
        for (const one of pods) view.pod(keyOf(one), readPod(one))
        view.node('node', readNode({ metadata: pods[0]?.metadata }))
        const made = view.take()
        for (const [id, workload] of made.workloads) {
          if (workload.id !== id || !id.startsWith('k8s/')) throw new Error(`the id ${id}`)
          if ((workload.healthReason?.length ?? 0) > 200) throw new Error('a long reason')
        }
        for (const [key, service] of made.services) {
          if (serviceKey(service) !== key) throw new Error(`the key ${key}`)
          const names = new Set(service.ports.map(one => one.name))
          for (const { workload, ports } of service.endpoints) {
            if (!made.workloads.has(workload)) throw new Error(`${workload} is no workload`)
            for (const used of Object.keys(ports)) if (!names.has(used)) throw new Error(`${used} is no port`)
          }
        }
        for (const { item, reason } of made.problems)
          if (item === '' || reason === '') throw new Error('an empty problem')
        if (view.take() !== made) throw new Error('a change of nothing')
      },
    ),
  )
  t.pass('it did')
})

t.test("whatever Istio's resources say, the view holds together", async t => {
  const kind = fc.constantFrom('ServiceEntry' as const, 'WorkloadEntry' as const, 'WorkloadGroup' as const)
  const resource = fc.record({
    apiVersion: fc.oneof(fc.constant('networking.istio.io/v1'), fc.anything()),
    metadata: fc.oneof(metadata, fc.anything()),
    spec: fc.oneof(
      fc.record({ address: anyText, hosts: anyList(anyText), ports: anyList(port) }, { requiredKeys: [] }),
      fc.anything(),
    ),
    status: fc.oneof(fc.record({ conditions: anyList(fc.record({ type: anyText, status: anyText })) }), fc.anything()),
  })
  fc.assert(
    fc.property(fc.array(fc.tuple(kind, resource), { maxLength: 4 }), resources => {
      const view = createIstioView('k8s')
      for (const [at, [kind, one]] of resources.entries()) view.set(kind, `shop/r${at}`, one satisfies JsonObject)
      const made = view.take()
      for (const [id, workload] of made.workloads) {
        if (workload.id !== id || workload.registry !== 'k8s') throw new Error(`the workload ${id}`)
      }
    }),
  )
  t.pass('it did')
})
