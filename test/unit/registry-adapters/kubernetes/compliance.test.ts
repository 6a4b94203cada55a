import t from 'tap'
import { testRegistryAdapter } from '../../../compliance/registry-adapter.ts'
import { startCluster } from '../../../fakes/kubernetes-cluster.ts'

t.test('the Kubernetes adapter passes the suite on the fake API server', t =>
  testRegistryAdapter(t, { setup: () => startCluster(), strict: true }),
)

t.test('the Kubernetes adapter passes the suite with every option that reads more', t =>
  testRegistryAdapter(t, {
    setup: () => startCluster({ nodes: true, istio: true, serviceAccounts: 'pods', namespaces: ['default', 'shop'] }),
    strict: true,
  }),
)
