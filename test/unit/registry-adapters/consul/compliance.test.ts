import t from 'tap'
import { testRegistryAdapter } from '../../../compliance/registry-adapter.ts'
import { fakeConsulSuite } from '../../../support/consul-driver.ts'

t.test('the Consul adapter passes the suite on the fake Consul', t => testRegistryAdapter(t, fakeConsulSuite))
