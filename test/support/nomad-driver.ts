import type { Test } from 'tap'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { createNomadAdapter } from '../../registry-adapters/nomad/adapter.ts'
import type { NomadAdapterOptions, NomadPace } from '../../registry-adapters/nomad/options.ts'
import type { RegisteredInstance } from '../compliance/registry-adapter.ts'
import { FakeNomad, type FakeNomadOptions } from '../fakes/nomad.ts'
import type { GroupSpec, JobSpec, ServiceSpec } from '../fakes/nomad-job.ts'
import { recordedLog } from './recorded-log.ts'
import { watchAdapter } from './watch-adapter.ts'

/** Paces for tests that run on the real clock. */
export const quickPace: Partial<NomadPace> = { repeatMs: 20, pollMs: 20, backoffBaseMs: 20, backoffCapMs: 100 }

/** A job of one allocation with one service at that address and port. */
export function jobOfInstance({ id, service, address, port }: RegisteredInstance): JobSpec {
  return {
    id,
    groups: [{ name: 'g', ports: { http: { static: port } }, services: [{ name: service, port: 'http', address }] }],
  }
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
