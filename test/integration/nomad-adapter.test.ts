import t from 'tap'
import { testRegistryAdapter } from '../compliance/registry-adapter.ts'
import { fakeNomadSuite } from '../support/nomad-driver.ts'

t.test('the Nomad adapter passes the suite on the fake Nomad, by its events', t =>
  testRegistryAdapter(t, fakeNomadSuite('events')),
)

t.test('the Nomad adapter passes the suite on the fake Nomad, by polling', t =>
  testRegistryAdapter(t, fakeNomadSuite('polling')),
)
