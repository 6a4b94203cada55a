// the adapter loads it when it is needed, which takes its time on a machine that is busy
import '@kubernetes/client-node'
import type { Test } from 'tap'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { type Clock, systemClock } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { createKubernetesAdapter } from '../../registry-adapters/kubernetes/adapter.ts'
import type { KubernetesOptions } from '../../registry-adapters/kubernetes/options.ts'
import { until } from '../support/eventually.ts'
import { endpointsOf, type WatchedAdapter, watchAdapter } from '../support/watch-adapter.ts'
import { FakeKubernetes, type FakeRequest } from './kubernetes.ts'
import { endpointOf, podObject, quickPace, serviceObject, sliceObject, writeKubeconfig } from './kubernetes-objects.ts'

/** A fake API server with one Service `web` of one pod, and adapters on it. */
export interface World {
  readonly fake: FakeKubernetes
  /** Follows the cluster until the test ends; with a clock, `meanwhile` runs before each look. */
  watch(options?: KubernetesOptions, clock?: Clock, meanwhile?: () => unknown): WatchedAdapter
  /** Adds a pod behind `web`: the pod first, then its slice. */
  add(pod: string, address: string): void
  /** How often a resource was listed from the beginning, or watched. */
  count(verb: 'list' | 'watch', resource: string): number
  /** The requests for one resource, the newest last. */
  asked(verb: 'list' | 'watch', resource: string): readonly FakeRequest[]
}

export async function startWorld(t: Test): Promise<World> {
  const fake = await FakeKubernetes.start()
  const kubeconfig = await writeKubeconfig(fake.address)
  t.teardown(async () => {
    await fake.stop()
    await kubeconfig.remove()
  })
  const endpoints = new Map<string, object>()
  const add = (pod: string, address: string) => {
    endpoints.set(pod, endpointOf(address, pod))
    fake.put(podObject(pod, [address]), sliceObject('web-1', 'web', [...endpoints.values()]))
  }
  fake.put(serviceObject('web'))
  add('web-a', '10.0.0.1')
  const asked = (verb: 'list' | 'watch', resource: string) =>
    fake.requests.filter(request => request.verb === verb && request.resource === resource)
  return {
    fake,
    add,
    asked,
    count: (verb, resource) => asked(verb, resource).filter(({ query }) => !query.has('continue')).length,
    watch: (options = {}, clock = systemClock, meanwhile = () => {}) =>
      watchAdapter(
        t,
        report =>
          createKubernetesAdapter(
            { name: 'k8s', clock, random: () => 0.5, log: silentLog, report },
            { kubeconfig: kubeconfig.file, ...options, pace: { ...quickPace, ...options.pace } },
          ),
        meanwhile,
      ),
  }
}

/** True for a view in which `web` has so many endpoints. */
export const webHas = (count: number) => (view: RegistrySnapshot) => endpointsOf(view, 'web')?.length === count

/** Waits until a failure with that reason has been told after the first `before` reports, however short it was. */
export function failed(watched: WatchedAdapter, before: number, reason: RegExp): Promise<void> {
  return until(`a failure ${reason}`, () =>
    watched.health.slice(before).some(one => one.kind === 'failing' && reason.test(one.reason)),
  )
}
