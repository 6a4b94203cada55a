import { createConsulAdapter } from '../../registry-adapters/consul/adapter.ts'
import type { ConsulPace } from '../../registry-adapters/consul/options.ts'
import { objectOf } from '../../registry-adapters/json.ts'
import type { RegisteredInstance, RegistryAdapterSuite, RegistryDriver } from '../compliance/registry-adapter.ts'
import { FakeConsul, type FakeRequest, type Fault } from '../fakes/consul.ts'
import { FakeConsulState } from '../fakes/consul-state.ts'
import type { ConsulRegistration } from './consul.ts'
import { until } from './eventually.ts'

/** Paces for tests that run on the real clock. */
export const quickPace: Partial<ConsulPace> = {
  repeatMs: 20,
  heartbeatMs: 200,
  sweepMs: 20,
  answerMs: 5_000,
  restartMs: 50,
  avoidMs: 100,
  backoffBaseMs: 20,
  backoffCapMs: 100,
}

/** An instance on a node of its own, so that deregistering the node leaves nothing. */
export function registrationOf({ id, service, address, port }: RegisteredInstance): ConsulRegistration {
  return {
    Node: `node-${id}`,
    Address: '10.99.0.1',
    Service: { ID: id, Service: service, Address: address, Port: port },
    Check: { CheckID: `service:${id}`, Name: id, ServiceID: id, Status: 'passing' },
  }
}

/** An instance of a name that cannot stand in DNS. */
export function badRegistration(id: string): ConsulRegistration {
  return registrationOf({ id, service: 'Not_A_Label', address: '10.77.0.66', port: 80 })
}

/** The compliance suite on a fake Consul, which can go wrong in every way. */
export const fakeConsulSuite: RegistryAdapterSuite = {
  setup: startFakeConsulDriver,
  strict: true,
  // each of the standing queries is repeated at most this often
  viewEveryMs: 20 / 3,
}

async function startFakeConsulDriver(): Promise<RegistryDriver> {
  const fake = await FakeConsul.start()
  /** What the fake held before the last change. */
  const older = new FakeConsulState()
  let last: ((state: FakeConsulState) => void) | undefined
  let stopped = false

  const apply = async (change: (state: FakeConsulState) => void) => {
    last?.(older)
    last = change
    fake.apply(() => change(fake.state))
  }
  const faulty = async (fault: (resource: string, request: FakeRequest) => Fault | undefined) => {
    fake.fault = request => fault(request.resource, request)
    fake.release()
  }
  return {
    adapter: deps => createConsulAdapter(deps, { address: fake.address, pace: quickPace }),
    put: instance => apply(state => state.register(registrationOf(instance))),
    remove: id => apply(state => state.deregister({ Node: `node-${id}` })),
    putBad: id => apply(state => state.register(badRegistration(id))),
    touch: async () => fake.release(),
    fail: () => faulty(() => ({ kind: 'status', status: 500, body: 'No cluster leader' })),
    async heal() {
      fake.fault = () => undefined
    },
    async stop() {
      if (!stopped) await fake.stop()
      stopped = true
    },
    faults: {
      emptyAnswer: () => faulty(() => ({ kind: 'empty' })),
      halfAnswer: () => faulty(() => ({ kind: 'cut', midway: true })),
      garbage: () => faulty(() => ({ kind: 'garbage' })),
      stall: () => faulty(() => ({ kind: 'hang' })),
      async staleRead() {
        const asked = fake.requests.length
        // whoever asks the leader to prove itself one gets the truth: only a replica lags behind
        await faulty((resource, { consistent }) =>
          consistent ? undefined : { kind: 'body', body: readOf(older, resource), index: older.index(resource) },
        )
        // who asks again has read the answers before
        await until('the old state has been read', () => fake.requests.length > asked + 3)
      },
      putHuge: instance => {
        const { Service, ...others } = registrationOf(instance)
        return apply(state =>
          state.register({ ...others, Service: { ...Service, Meta: { huge: 'x'.repeat(1_000_000) } } }),
        )
      },
      putTwice: ({ service }, address) =>
        faulty(resource => {
          if (resource !== `service/${service}`) return undefined
          const [first] = fake.state.service(service)
          return (
            first && {
              kind: 'body',
              body: [first, { ...first, Service: { ...objectOf(first.Service), Address: address } }],
            }
          )
        }),
    },
  }
}

function readOf(state: FakeConsulState, resource: string): unknown {
  if (resource === 'services') return state.services()
  if (resource === 'nodes') return state.nodes()
  const [kind, name = ''] = resource.split(/\/(.*)/s)
  return kind === 'checks' ? state.checks(name) : state.service(name)
}

const onRequest = 'a real Consul does not go wrong on request, the fake one does'

/** Why nothing of this is done to a real Consul. */
export const realConsulCannot: NonNullable<RegistryAdapterSuite['cannot']> = {
  emptyAnswer: onRequest,
  halfAnswer: onRequest,
  garbage: onRequest,
  stall: onRequest,
  staleRead: onRequest,
  putHuge: 'Consul refuses meta of more than 64 entries of 512 characters',
  putTwice: 'Consul replaces a service of the same id on the same node',
}
