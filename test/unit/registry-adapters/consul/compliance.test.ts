import t from 'tap'
import { createConsulAdapter } from '../../../../registry-adapters/consul/adapter.ts'
import { testRegistryAdapter } from '../../../compliance/registry-adapter.ts'
import { FakeConsul } from '../../../fakes/consul.ts'
import { badRegistration, quickPace, registrationOf } from '../../../support/consul-driver.ts'

t.test('the Consul adapter passes the suite on the fake Consul', t =>
  testRegistryAdapter(t, {
    async setup() {
      const fake = await FakeConsul.start()
      let stopped = false
      return {
        adapter: deps => createConsulAdapter(deps, { address: fake.address, pace: quickPace }),
        put: async instance => fake.apply(() => fake.state.register(registrationOf(instance))),
        remove: async id => fake.apply(() => fake.state.deregister({ Node: `node-${id}` })),
        putBad: async id => fake.apply(() => fake.state.register(badRegistration(id))),
        touch: async () => fake.release(),
        async fail() {
          fake.fault = () => ({ kind: 'status', status: 500, body: 'No cluster leader' })
          fake.release()
        },
        async heal() {
          fake.fault = () => undefined
        },
        async stop() {
          if (!stopped) await fake.stop()
          stopped = true
        },
      }
    },
  }),
)
