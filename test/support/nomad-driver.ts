import type { Test } from 'tap'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { createNomadAdapter } from '../../registry-adapters/nomad/adapter.ts'
import type { NomadAdapterOptions, NomadPace } from '../../registry-adapters/nomad/options.ts'
import type { RegisteredInstance, RegistryAdapterSuite, RegistryDriver } from '../compliance/registry-driver.ts'
import { FakeNomad, type FakeNomadOptions } from '../fakes/nomad.ts'
import type { GroupSpec, JobSpec, ServiceSpec } from '../fakes/nomad-job.ts'
import { until } from './eventually.ts'
import { recordedLog } from './recorded-log.ts'
import { watchAdapter } from './watch-adapter.ts'

/** Paces for tests that run on the real clock. */
export const quickPace: Partial<NomadPace> = { repeatMs: 20, pollMs: 20, backoffBaseMs: 20, backoffCapMs: 100 }

/** The compliance suite on a fake Nomad that is followed by its events, or refuses these. */
export function fakeNomadSuite(by: 'events' | 'polling'): RegistryAdapterSuite {
  return { setup: () => startFakeNomadDriver(by === 'polling'), strict: true, viewEveryMs: 20 }
}

async function startFakeNomadDriver(refusesEvents: boolean): Promise<RegistryDriver> {
  const fake = await FakeNomad.start()
  fake.cluster.addNode({ name: 'client-a', address: '10.77.1.10' })
  const usual: FakeNomad['fault'] = request =>
    refusesEvents && request.path === '/v1/event/stream' ? { kind: 'hang' } : undefined
  fake.fault = usual
  /** What the fake held before the last change. */
  let older = fake.state.snapshot()
  let stopped = false

  const apply = async (change: () => void) => {
    older = fake.state.snapshot()
    change()
  }
  /** From now on, what is asked next included: the adapter reads everything when its stream ends, or a wait. */
  const faulty = async (fault: FakeNomad['fault']) => {
    fake.fault = request => fault(request) ?? usual(request)
    fake.streams.close()
    fake.release()
  }
  return {
    adapter: deps =>
      createNomadAdapter(deps, {
        client: { address: fake.address, limits: { answerMs: 500, firstHeartbeatMs: 50 } },
        stale: true,
        pace: { ...quickPace, resyncMs: 1_000 },
      }),
    put: instance => apply(() => fake.cluster.runJob(jobOfInstance(instance))),
    remove: id => apply(() => fake.cluster.stopJob(id)),
    putBad: id =>
      apply(() => fake.cluster.runJob(jobOfInstance({ id, service: 'bad', address: 'no.address', port: 80 }))),
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
      fake.fault = usual
    },
    async stop() {
      if (!stopped) await fake.stop()
      stopped = true
    },
    faults: {
      emptyAnswer: () =>
        faulty(({ path, namespace }) => (path === '/v1/services' && namespace === '*' ? { kind: 'empty' } : undefined)),
      halfAnswer: () => faulty(() => ({ kind: 'cut', midway: true })),
      garbage: () => faulty(() => ({ kind: 'garbage' })),
      stall: () => faulty(() => ({ kind: 'hang' })),
      async staleRead() {
        const asked = fake.requests.length
        const { services, tableIndex } = older
        await faulty(({ stale, parts }) => {
          if (!stale || parts[1] !== 'service') return undefined
          const body = [...services.values()].filter(one => one.ServiceName === parts[2])
          return { kind: 'body', body, index: tableIndex.services }
        })
        await until('the old state has been read', () =>
          fake.requests.slice(asked).some(({ path }) => path === '/v1/nodes'),
        )
      },
      putHuge: instance => apply(() => fake.cluster.runJob(jobOfInstance(instance, ['x'.repeat(1_000_000)]))),
      putTwice: ({ service }, address) =>
        faulty(({ path, namespace }) => {
          if (path !== `/v1/service/${service}` || namespace !== 'default') return undefined
          const [first] = [...fake.state.services.values()].filter(one => one.ServiceName === service)
          return first && { kind: 'body', body: [first, { ...first, Address: address }] }
        }),
    },
  }
}

/** A job of one allocation with one service at that address and port; the ids of its workload end with that of it. */
function jobOfInstance({ id, service, address, port }: RegisteredInstance, tags: readonly string[] = []): JobSpec {
  const services = [{ name: service, port: id, address, tags }]
  return { id, groups: [{ name: 'g', ports: { [id]: { static: port } }, services }] }
}

/** A fake Nomad with two nodes and one job `api`, and adapters on it that are followed until the test ends. */
export async function nomadWorld(t: Test, fakeOptions: FakeNomadOptions = {}) {
  const fake = await FakeNomad.start(fakeOptions)
  t.teardown(() => fake.stop())
  fake.cluster.addNode({ name: 'client-a', address: '10.77.1.10' })
  fake.cluster.addNode({ name: 'client-b', address: '10.77.2.10', datacenter: 'dc2' })
  runJob(fake, 'api')
  const log = recordedLog()
  const deps = { name: 'nomad', clock: systemClock, random: systemRandom, log }
  const watch = (options: Partial<NomadAdapterOptions> = {}) => {
    const { client, ...others } = { client: { address: fake.address }, ...options }
    const limits = { answerMs: 300, firstHeartbeatMs: 300, ...client.limits }
    return watchAdapter(t, report =>
      createNomadAdapter(
        { ...deps, report },
        { ...others, client: { ...client, limits }, pace: { ...quickPace, ...others.pace } },
      ),
    )
  }
  return { fake, watch, log }
}

/** Runs a job of one service of its name, with a port that Nomad chooses, on client-a where nothing else is said. */
export function runJob(
  fake: FakeNomad,
  id: string,
  service: Partial<ServiceSpec> = {},
  group: Partial<GroupSpec> = {},
) {
  const services = [{ name: id, port: 'http', ...service }]
  fake.cluster.runJob({ id, groups: [{ name: 'g', on: ['client-a'], ports: { http: {} }, services, ...group }] })
}

/** The only workload of a service, or undefined. */
export function workloadOf(view: RegistrySnapshot, service: string): Workload | undefined {
  const [found, second] = [...view.workloads.values()].filter(one => one.name === service)
  if (second !== undefined) throw new Error(`more than one workload of ${service}`)
  return found
}
