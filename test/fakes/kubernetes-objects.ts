import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubernetesPace } from '../../registry-adapters/kubernetes/options.ts'
import type { ApiMetadata, ApiObject } from './kubernetes-state.ts'

/** Objects as the API has them, with what the controllers of a cluster write. */

type Metadata = Partial<ApiMetadata>

/** A Service with one port 80 called http, and an address of its own. */
export function serviceObject(name: string, spec: object = {}, metadata: Metadata = {}): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', ...metadata },
    spec: {
      type: 'ClusterIP',
      clusterIP: '10.96.0.10',
      clusterIPs: ['10.96.0.10'],
      ipFamilies: ['IPv4'],
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 8080 }],
      selector: { app: name },
      sessionAffinity: 'None',
      ...spec,
    },
    status: { loadBalancer: {} },
  }
}

export interface EndpointOptions {
  readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean }
  readonly node?: string
  readonly zone?: string
  /** Kind and namespace of the target, where it is no pod of the same namespace. */
  readonly target?: object
}

/** An endpoint of a slice; without a pod it is one that somebody wrote by hand. */
export function endpointOf(address: string, pod: string | undefined, options: EndpointOptions = {}): object {
  const { conditions = { ready: true, serving: true, terminating: false }, node, zone, target } = options
  const own = pod === undefined ? undefined : { kind: 'Pod', namespace: 'default', name: pod }
  return {
    addresses: [address],
    conditions,
    ...(node !== undefined && { nodeName: node }),
    ...(zone !== undefined && { zone }),
    ...((target ?? own) !== undefined && { targetRef: target ?? own }),
  }
}

/** A slice of a Service whose port http is 8080. */
export function sliceObject(
  name: string,
  service: string,
  endpoints: readonly object[],
  more: { readonly ports?: readonly object[]; readonly addressType?: string; readonly namespace?: string } = {},
): ApiObject {
  const { ports = [{ name: 'http', port: 8080, protocol: 'TCP' }], addressType = 'IPv4', namespace = 'default' } = more
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name,
      namespace,
      labels: {
        'kubernetes.io/service-name': service,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
    },
    addressType,
    endpoints,
    ports,
  }
}

/** A running Pod with its addresses, of service account default. */
export function podObject(
  name: string,
  addresses: readonly string[],
  metadata: Metadata = {},
  spec: object = {},
): ApiObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: 'web' }, ...metadata },
    spec: {
      serviceAccountName: 'default',
      nodeName: 'node-1',
      containers: [{ name: 'main', image: 'web:1' }],
      ...spec,
    },
    status: { phase: 'Running', podIP: addresses[0], podIPs: addresses.map(ip => ({ ip })) },
  }
}

export function nodeObject(name: string, labels: Readonly<Record<string, string>>): ApiObject {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels }, spec: {}, status: {} }
}

/** A kubeconfig file for one server, in a folder of its own that `remove` takes away. */
export async function writeKubeconfig(
  server: string,
  user: object = {},
  cluster: object = {},
): Promise<{ readonly file: string; readonly folder: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-kubeconfig-'))
  const file = join(folder, 'config')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, ...cluster } }],
    users: [{ name: 'weft', user }],
    contexts: [{ name: 'weft@test', context: { cluster: 'test', user: 'weft' } }],
    'current-context': 'weft@test',
  }
  // JSON is YAML
  await writeFile(file, JSON.stringify(config))
  return { file, folder, remove: () => rm(folder, { recursive: true, force: true }) }
}

/** Paces for tests that run on the real clock. */
export const quickPace: Partial<KubernetesPace> = {
  pageSize: 2,
  answerMs: 5_000,
  bodyMs: 5_000,
  settleMs: 10,
  togetherMs: 5_000,
  credentialsMs: 1_000,
  backoffBaseMs: 20,
  backoffCapMs: 100,
}
