import t from 'tap'
import { type KubePod, readNode, readPod } from '../../../../registry-adapters/kubernetes/objects.ts'
import type { Target, TranslateContext } from '../../../../registry-adapters/kubernetes/translate-service.ts'
import { translateWorkload } from '../../../../registry-adapters/kubernetes/translate-workload.ts'
import { nodeObject, podObject } from '../../../fakes/kubernetes-objects.ts'
import type { ApiObject } from '../../../fakes/kubernetes-state.ts'

const plain: TranslateContext = {
  registry: 'k8s',
  clusterName: undefined,
  clusterDomain: 'cluster.local',
  serviceAccounts: 'none',
  nodeAgents: false,
}

const target: Target = {
  service: 'web',
  address: '10.0.0.1',
  pod: 'default/web-0',
  node: 'node-1',
  zone: 'zone-a',
  health: 'healthy',
  healthReason: undefined,
  version: '10',
}

const zones: Readonly<Record<string, string>> = {
  'topology.kubernetes.io/region': 'eu',
  'topology.kubernetes.io/zone': 'eu-1',
}

function translate(
  pod: ApiObject | undefined,
  context: Partial<TranslateContext> = {},
  more: { readonly targets?: readonly [Target, ...Target[]]; readonly nodes?: readonly ApiObject[] } = {},
) {
  const nodes = (more.nodes ?? []).map(readNode)
  const read: KubePod | undefined = pod === undefined ? undefined : readPod(pod)
  const nodeOf = (name: string) => nodes.find(node => node.name === name)
  const sources = {
    id: 'k8s/default/web-0',
    namespace: 'default',
    targets: more.targets ?? [target],
    pod: read,
    nodeOf,
  }
  return translateWorkload(sources, { ...plain, ...context })
}

t.test('a pod is a workload without agent and identity, where nothing else is said', async t => {
  t.same(translate(podObject('web-0', ['10.0.0.1'])), {
    workload: {
      id: 'k8s/default/web-0',
      registry: 'k8s',
      namespace: 'default',
      name: 'web-0',
      address: '10.0.0.1',
      labels: { app: 'web' },
      locality: { region: '', zone: 'zone-a', subzone: 'node-1' },
      weight: 1,
      health: 'healthy',
      callers: [],
    },
    reasons: [],
  })
})

const owners: readonly (readonly [string, object, object, string])[] = [
  [
    'a Deployment',
    { kind: 'ReplicaSet', name: 'web-5d4f8', controller: true },
    { 'pod-template-hash': '5d4f8' },
    'web',
  ],
  ['a bare ReplicaSet', { kind: 'ReplicaSet', name: 'web', controller: true }, {}, 'web'],
  ['a StatefulSet', { kind: 'StatefulSet', name: 'db', controller: true }, {}, 'db'],
  ['nobody who controls it', { kind: 'Thing', name: 'thing' }, {}, 'web-0'],
]

for (const [what, owner, labels, name] of owners) {
  t.test(`a pod of ${what} is called ${name}`, async t => {
    const { workload } = translate(
      podObject('web-0', ['10.0.0.1'], { labels: { ...labels }, ownerReferences: [owner] }),
    )
    t.equal(workload?.name, name)
  })
}

t.test('an endpoint without a pod is called after its Service', async t => {
  const { workload } = translate(undefined, {}, { targets: [{ ...target, pod: undefined, address: '192.0.2.7' }] })
  t.match(workload, { name: 'web', address: '192.0.2.7', labels: {} })
})

t.test("a pod's service account is its identity only where the registry says so", async t => {
  const pod = podObject('web-0', ['10.0.0.1'], {}, { serviceAccountName: 'api' })
  t.equal(translate(pod).workload?.serviceAccount, undefined)
  t.equal(translate(pod, { serviceAccounts: 'pods' }).workload?.serviceAccount, 'api')
})

t.test('an annotation says the identity of a single pod', async t => {
  const annotations = { 'weft.dev/service-account': 'payments' }
  const pod = podObject('web-0', ['10.0.0.1'], { annotations })
  t.equal(translate(pod).workload?.serviceAccount, 'payments')
  t.equal(translate(pod, { serviceAccounts: 'pods' }).workload?.serviceAccount, 'payments')
})

t.test('an identity that cannot be one leaves the workload out: without it, it would be plaintext', async t => {
  const made = translate(
    podObject('web-0', ['10.0.0.1'], { annotations: { 'weft.dev/service-account': 'No Account' } }),
  )
  t.equal(made.workload, undefined)
  t.match(made.reasons, [/"No Account"/])
})

t.test('a slice that gives a pod an address of somebody else gives no workload', async t => {
  const pod = podObject('web-0', ['10.0.0.2', 'fd00::2'])
  const made = translate(pod, { serviceAccounts: 'pods' })
  t.equal(made.workload, undefined)
  t.match(made.reasons, [/10.0.0.1, which is not its own/])
  const own = translate(pod, { serviceAccounts: 'pods' }, { targets: [{ ...target, address: 'fd00::2' }] })
  t.equal(own.workload?.address, 'fd00::2', 'each of its own addresses is fine')
})

t.test('a pod of which only metadata is read is believed its address', async t => {
  const { spec: _, status: __, ...metadataOnly } = podObject('web-0', ['10.0.0.2'])
  t.equal(translate(metadataOnly).workload?.address, '10.0.0.1')
})

t.test('the node is named where agents run on nodes, or where the pod says one', async t => {
  const pod = podObject('web-0', ['10.0.0.1'])
  t.equal(translate(pod).workload?.node, undefined)
  t.equal(translate(pod, { nodeAgents: true }).workload?.node, 'node-1')
  const said = podObject('web-0', ['10.0.0.1'], { annotations: { 'weft.dev/node': 'vm-7' } })
  t.equal(translate(said).workload?.node, 'vm-7')
})

t.test('locality is that of the node, else the zone of the slice; the pod may say another', async t => {
  const pod = podObject('web-0', ['10.0.0.1'])
  t.same(translate(pod, {}, { nodes: [nodeObject('node-1', zones)] }).workload?.locality, {
    region: 'eu',
    zone: 'eu-1',
    subzone: 'node-1',
  })
  const rack = nodeObject('node-1', { ...zones, 'topology.istio.io/subzone': 'rack-3' })
  t.equal(translate(pod, {}, { nodes: [rack] }).workload?.locality.subzone, 'rack-3')
  t.equal(translate(pod, {}, { nodes: [nodeObject('node-1', {})] }).workload?.locality.zone, 'zone-a')
  const said = podObject('web-0', ['10.0.0.1'], { annotations: { 'weft.dev/locality': 'us/us-1' } })
  t.same(translate(said).workload?.locality, { region: 'us', zone: 'us-1', subzone: '' })
})

t.test('labels are those of the pod, with the name of the cluster and app where it is called otherwise', async t => {
  const labels = { 'app.kubernetes.io/name': 'shop', tier: 'front' }
  const made = translate(podObject('web-0', ['10.0.0.1'], { labels }), { clusterName: 'blue' }).workload?.labels
  t.same(made, { ...labels, app: 'shop', 'topology.istio.io/cluster': 'blue' })
  const own = translate(podObject('web-0', ['10.0.0.1'], { labels: { ...labels, app: 'mine' } })).workload?.labels
  t.equal(own?.app, 'mine', 'what the pod says itself goes first')
})

t.test('weight is what the pod says, and a wrong one is named and left out alone', async t => {
  const weighted = (weight: string) => podObject('web-0', ['10.0.0.1'], { annotations: { 'weft.dev/weight': weight } })
  t.equal(translate(weighted('5')).workload?.weight, 5)
  const wrong = translate(weighted('heavy'))
  t.equal(wrong.workload?.weight, 1)
  t.match(wrong.reasons, [/"heavy"/])
})

t.test('a pod may not say which processes of a host it is', async t => {
  const { workload, reasons } = translate(podObject('web-0', ['10.0.0.1'], { annotations: { 'weft.dev/uid': '0' } }))
  t.same(workload?.callers, [])
  t.match(reasons, [/weft.dev\/uid.*means nothing on a Pod/])
})

t.test('where Services differ about a pod, the worst health and the newest address count', async t => {
  const draining: Target = {
    ...target,
    service: 'api',
    health: 'draining',
    healthReason: 'it is terminating',
    version: '9',
  }
  const { workload } = translate(podObject('web-0', ['10.0.0.1']), {}, { targets: [target, draining] })
  t.match(workload, { health: 'draining', healthReason: 'it is terminating' })
  const moved: Target = { ...target, service: 'api', address: '10.0.0.5', version: '100' }
  t.equal(translate(undefined, {}, { targets: [target, moved] }).workload?.address, '10.0.0.5')
  t.equal(translate(undefined, {}, { targets: [moved, target] }).workload?.address, '10.0.0.5')
})
