import t from 'tap'
import { createNomadAdapter } from '../../registry-adapters/nomad/adapter.ts'
import { testRegistryAdapter } from '../compliance/registry-adapter.ts'
import { FakeNomad } from '../fakes/nomad.ts'
import { jobOfInstance, quickPace } from '../support/nomad-driver.ts'

for (const mode of ['its event stream', 'polling'] as const) {
  t.test(`the Nomad adapter passes the suite on the fake Nomad, by ${mode}`, t =>
    testRegistryAdapter(t, {
      async setup() {
        const fake = await FakeNomad.start()
        fake.cluster.addNode({ name: 'client-a', address: '10.77.1.10' })
        const base: FakeNomad['fault'] = request =>
          mode === 'polling' && request.path === '/v1/event/stream' ? { kind: 'hang' } : undefined
        fake.fault = base
        let stopped = false
        return {
          adapter: deps =>
            createNomadAdapter(deps, {
              client: { address: fake.address, limits: { firstHeartbeatMs: 50 } },
              pace: quickPace,
            }),
          put: async instance => fake.cluster.runJob(jobOfInstance(instance)),
          remove: async id => fake.cluster.stopJob(id),
          putBad: async id =>
            fake.cluster.runJob(jobOfInstance({ id, service: 'bad', address: 'no-address.example', port: 80 })),
          async touch() {
            const [first] = fake.state.allocations.values()
            if (first !== undefined) fake.cluster.report(first, {})
            fake.release()
          },
          async fail() {
            fake.fault = () => ({ kind: 'status', status: 500, body: 'No cluster leader' })
            fake.cut()
          },
          async heal() {
            fake.fault = base
          },
          async stop() {
            if (!stopped) await fake.stop()
            stopped = true
          },
        }
      },
    }),
  )
}
