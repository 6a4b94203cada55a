import t from 'tap'
import type { CatalogueSnapshot } from '../../../mesh/model/catalogue.ts'
import type { Workload } from '../../../mesh/model/workload.ts'
import { parseResources } from '../../../mesh/resources/parse.ts'
import { createPlacement } from '../../../server/compile/placement.ts'
import { mtlsVerdict, operatorDeclared, placementVerdict } from '../../../server/placement.ts'
import { toRegistryConfigs } from '../../../server/registry-config.ts'
import type { NodeRecord } from '../../../server/store/store.ts'
import { catalogueOf as catalogueOfAll, workload } from '../../support/catalogue.ts'

const trusted = operatorDeclared(
  toRegistryConfigs([
    { kind: 'static', name: 'files', directory: '/x' },
    { kind: 'consul', name: 'consul', address: 'http://127.0.0.1:8500' },
  ]),
)

function catalogueOf(...workloads: readonly Workload[]): CatalogueSnapshot {
  return catalogueOfAll([], workloads)
}

function nodesOf(...records: readonly Partial<NodeRecord>[]) {
  const whole = records.map(record => ({
    name: 'vm-1',
    identities: [],
    joinedAt: 0,
    keyHash: '',
    banned: false,
    ...record,
  }))
  return new Map(whole.map(record => [record.name, record]))
}

t.test('files and applied resources are evidence, registries that anybody may write into are not', async t => {
  t.equal(trusted('files'), true)
  t.equal(trusted('resources'), true)
  t.equal(trusted('consul'), false)
  t.equal(trusted('unknown'), false)
})

t.test('a node may hold what a trusted registry places on it', async t => {
  const catalogue = catalogueOf(
    workload({ id: 'files/a', node: 'vm-1', serviceAccount: 'api' }),
    workload({ id: 'files/b', node: 'vm-2', serviceAccount: 'web' }),
    workload({ id: 'consul/c', node: 'vm-1', serviceAccount: 'billing' }),
  )
  const mayHold = placementVerdict(createPlacement()(catalogue), nodesOf({}), trusted)
  t.equal(mayHold('vm-1', 'default/api'), true)
  t.equal(mayHold('vm-1', 'default/web'), false, 'placed on another node')
  t.equal(mayHold('vm-1', 'default/billing'), false, 'placed by a registry that is no evidence')
  t.equal(mayHold('vm-1', 'other/api'), false, 'another namespace')
  t.equal(mayHold('vm-2', 'default/web'), false, 'vm-2 has not joined')
})

t.test('a join token that names identities allows those and nothing else', async t => {
  const catalogue = catalogueOf(workload({ id: 'files/a', node: 'vm-1', serviceAccount: 'api' }))
  const mayHold = placementVerdict(createPlacement()(catalogue), nodesOf({ identities: ['default/billing'] }), trusted)
  t.equal(mayHold('vm-1', 'default/billing'), true)
  t.equal(mayHold('vm-1', 'default/api'), false)
})

t.test('a banned node may hold nothing', async t => {
  const catalogue = catalogueOf(workload({ id: 'files/a', node: 'vm-1', serviceAccount: 'api' }))
  const mayHold = placementVerdict(
    createPlacement()(catalogue),
    nodesOf({ banned: true, identities: ['default/api'] }),
    trusted,
  )
  t.equal(mayHold('vm-1', 'default/api'), false)
})

t.test('the verdict on plaintext is that of the policies, and the same each time it is asked for', async t => {
  const { resources } = parseResources(
    `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: weft-system }
spec: { mtls: { mode: STRICT } }
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: other, namespace: default }
spec: { address: 10.0.0.1 }
`,
    'policies.yaml',
  )
  const mtls = mtlsVerdict(resources, { rootNamespace: 'weft-system', now: 0 })
  const one = workload({ id: 'files/a' })
  t.same(mtls(one, 80), { mode: 'STRICT', from: 'weft-system/strict' })
  t.same(mtls(one, 81), { mode: 'STRICT', from: 'weft-system/strict' })
  t.same(mtlsVerdict(resources, { rootNamespace: 'other', now: 0 })(one, 80), { mode: 'PERMISSIVE', from: 'default' })
})
