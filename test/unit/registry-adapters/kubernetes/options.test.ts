import t from 'tap'
import { checkOptions, type KubernetesOptions } from '../../../../registry-adapters/kubernetes/options.ts'
import { pathOf, readsOf } from '../../../../registry-adapters/kubernetes/reads.ts'
import { compareVersions } from '../../../../registry-adapters/kubernetes/resource-version.ts'

t.test('nothing has to be said', async t => {
  t.match(checkOptions({}), {
    kubeconfig: undefined,
    namespaces: [],
    clusterDomain: 'cluster.local',
    serviceAccounts: 'none',
    allowExec: false,
    nodeAgents: false,
    nodes: false,
    istio: false,
  })
})

const wrong: readonly (readonly [string, KubernetesOptions])[] = [
  ['context', { context: 'x' }],
  ['namespaces', { namespaces: ['Shop'] }],
  ['namespaces', { namespaces: ['a/b'] }],
  ['namespaces', { namespaces: ['shop', 'shop'] }],
  ['clusterName', { clusterName: 'a b' }],
  ['clusterDomain', { clusterDomain: 'cluster local' }],
  ['clusterDomain', { clusterDomain: 'cluster.local.' }],
  ['serviceAccounts', { serviceAccounts: 'pod' }],
]

for (const [option, options] of wrong) {
  t.test(`${JSON.stringify(options)} is refused and names ${option}`, async t => {
    t.throws(() => checkOptions(options), { code: 'WEFT_CONFIG_INVALID', fields: { option } })
  })
}

t.test('what is asked for is a path below the group, with the selectors in its query', async t => {
  const reads = readsOf(checkOptions({ namespaces: ['shop'], istio: true, nodes: true, labelSelector: 'a in (b,c)' }))
  t.same(
    reads.map(read => pathOf(read, read.versions[0] ?? '', {}).split('?')[0]),
    [
      '/api/v1/namespaces/shop/services',
      '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices',
      '/api/v1/namespaces/shop/pods',
      '/apis/networking.istio.io/v1/namespaces/shop/serviceentries',
      '/apis/networking.istio.io/v1/namespaces/shop/workloadentries',
      '/apis/networking.istio.io/v1/namespaces/shop/workloadgroups',
      '/api/v1/nodes',
    ],
  )
  const [services] = reads
  const query = services === undefined ? '' : pathOf(services, 'v1', { limit: '5' }).split('?')[1]
  t.same(
    [...new URLSearchParams(query)],
    [
      ['labelSelector', 'a in (b,c)'],
      ['limit', '5'],
    ],
  )
})

t.test('versions are compared as numbers, and only those that are numbers', async t => {
  t.ok(compareVersions('99', '100') < 0)
  t.ok(compareVersions('18446744073709551616', '18446744073709551615') > 0)
  t.equal(compareVersions('7', '7'), 0)
  for (const odd of ['', '007', 'abc', '-1', '1.5']) t.equal(compareVersions(odd, '7'), 0, odd)
})
