import type { ServerOptions } from 'node:https'
import { createKubernetesAdapter } from '../../registry-adapters/kubernetes/adapter.ts'
import type { KubernetesOptions } from '../../registry-adapters/kubernetes/options.ts'
import type { RegisteredInstance, RegistryDriver } from '../compliance/registry-adapter.ts'
import { until } from '../support/eventually.ts'
import { FakeKubernetes, type FakeRequest, selectionOf } from './kubernetes.ts'
import { endpointOf, podObject, quickPace, serviceObject, sliceObject, writeKubeconfig } from './kubernetes-objects.ts'
import { selects } from './kubernetes-selectors.ts'
import { resources } from './kubernetes-state.ts'

/**
 * A cluster in which every instance is a pod behind a Service, as a Deployment makes it: slices follow the pods, one
 * for each port that pods of a Service listen on.
 */
export async function startCluster(
  options: KubernetesOptions = {},
  secure?: { readonly tls: ServerOptions; readonly user: object; readonly cluster: object },
): Promise<RegistryDriver> {
  const fake = await FakeKubernetes.start(secure?.tls)
  const kubeconfig = await writeKubeconfig(fake.address, secure?.user, secure?.cluster)
  const instances = new Map<string, RegisteredInstance>()
  /** What each collection held before the last change. */
  let older = collectionsOf(fake)
  // pods and slices come by two watches: what belongs together must have arrived before it is shown
  const pace = options.serviceAccounts === 'pods' ? { ...quickPace, settleMs: 100 } : quickPace
  let stopped = false

  function followPods(service: string): void {
    const members = [...instances.values()].filter(one => one.service === service)
    const byPort = Map.groupBy(members, one => one.port)
    const prefix = `default/${service}-`
    for (const { metadata } of fake.state.all('endpointslices')) {
      const key = `${metadata.namespace}/${metadata.name}`
      if (key.startsWith(prefix) && !byPort.has(Number(key.slice(prefix.length)))) fake.remove('EndpointSlice', key)
    }
    for (const [port, group] of byPort) {
      const endpoints = group.map(({ id, address }) => endpointOf(address, id))
      fake.put(sliceObject(`${service}-${port}`, service, endpoints, { ports: [{ name: '', port, protocol: 'TCP' }] }))
    }
  }

  /** From now on; what is watched is asked for anew. */
  const faulty = async (fault: FakeKubernetes['fault']) => {
    fake.fault = fault
    fake.cut()
  }
  /** Every list is answered so, and no watch goes on without one. */
  const lists = (bodyOf: (request: FakeRequest) => object) =>
    faulty(request => {
      return request.verb === 'watch' ? { kind: 'status', code: 410 } : { kind: 'body', body: bodyOf(request) }
    })

  return {
    adapter: deps => createKubernetesAdapter(deps, { kubeconfig: kubeconfig.file, pace, ...options }),
    async put(instance) {
      older = collectionsOf(fake)
      const { id, service, address, port } = instance
      instances.set(id, instance)
      const services = fake.state.all('services')
      if (!services.some(one => one.metadata.name === service)) {
        fake.put(serviceObject(service, { ports: [{ protocol: 'TCP', port, targetPort: 'main' }] }))
      }
      fake.put(podObject(id, [address]))
      followPods(service)
    },
    async remove(id) {
      older = collectionsOf(fake)
      fake.remove('Service', `default/${id}`)
      fake.remove('Pod', `default/${id}`)
      const service = instances.get(id)?.service
      instances.delete(id)
      if (service !== undefined) followPods(service)
    },
    putBad: async id => fake.put(serviceObject(id, { type: 'ExternalName', externalName: 'db.example.com' })),
    async touch() {
      for (const pod of fake.state.all('pods'))
        fake.put({ ...pod, status: { ...Object(pod.status), qosClass: 'Burstable' } })
      for (const slice of fake.state.all('endpointslices')) fake.put(slice)
      fake.bookmark()
    },
    async fail() {
      fake.fault = () => ({ kind: 'status', code: 500, message: 'etcdserver: leader changed' })
      fake.cut()
    },
    async heal() {
      fake.fault = () => undefined
    },
    async stop() {
      if (stopped) return
      stopped = true
      await fake.stop()
      await kubeconfig.remove()
    },
    faults: {
      // a list of the API server always has the version that it is of
      emptyAnswer: () => lists(() => ({ kind: 'List', apiVersion: 'v1', metadata: {}, items: [] })),
      halfAnswer: () => faulty(() => ({ kind: 'cut', midway: true })),
      garbage: () => faulty(() => ({ kind: 'garbage' })),
      stall: () => faulty(() => ({ kind: 'hang' })),
      async staleRead() {
        const asked = fake.requests.length
        const { version, items } = older
        await lists(request => {
          const metadata = { resourceVersion: String(version) }
          const held = items.get(request.resource) ?? []
          const asked = held.filter(object => selects(selectionOf(request), object))
          return { kind: 'List', apiVersion: 'v1', metadata, items: asked }
        })
        await until('the older state has been read', () => {
          return fake.requests.slice(asked).some(({ verb, resource }) => verb === 'list' && resource === 'pods')
        })
      },
      async putHuge(instance) {
        instances.set(instance.id, instance)
        fake.put(serviceObject(instance.service, { ports: [{ protocol: 'TCP', port: instance.port }] }))
        const pod = podObject(instance.id, [instance.address])
        const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': 'x'.repeat(1_000_000) }
        fake.put({ ...pod, metadata: { ...pod.metadata, annotations } })
        followPods(instance.service)
      },
      async putTwice({ id, service, port }, address) {
        const slice = [endpointOf(address, id)]
        fake.put(sliceObject(`${service}-again`, service, slice, { ports: [{ name: '', port, protocol: 'TCP' }] }))
      },
    },
  }
}

/** Everything there is, by collection, and the version it is of. */
function collectionsOf({ state }: FakeKubernetes) {
  const items = new Map(Object.values(resources).map(({ resource }) => [resource, state.all(resource)]))
  return { version: state.version, items }
}
