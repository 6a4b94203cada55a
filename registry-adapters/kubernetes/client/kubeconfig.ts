import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Cluster, User } from '@kubernetes/client-node'
import { MeshError } from '../../../mesh/std/errors.ts'
import { isObject, items, objectOf, text } from '../../json.ts'
import { kubernetesError } from './errors.ts'

/** A cluster and a user as a kubeconfig names them, with absolute file names. */
export interface ConfiguredCluster {
  readonly cluster: Cluster
  readonly user: User | undefined
  /** File with a bearer token. */
  readonly tokenFile: string | undefined
}

/**
 * Loads the chosen context of a kubeconfig. The package is loaded here, when the first cluster is read: it takes half
 * a second and eighty megabytes, which servers without a cluster do not pay. Throws WEFT_REGISTRY_UNAVAILABLE.
 */
export async function loadKubeconfig(file: string, context: string | undefined): Promise<ConfiguredCluster> {
  const content = await readText(file, 'the kubeconfig')
  try {
    const { KubeConfig, loadYaml } = await import('@kubernetes/client-node')
    const config = new KubeConfig()
    config.loadFromString(content)
    config.makePathsAbsolute(dirname(resolve(file)))
    if (context !== undefined) config.setCurrentContext(context)
    const cluster = config.getCurrentCluster()
    const user = config.getCurrentUser() ?? undefined
    const chosen = config.getCurrentContext()
    if (cluster === null) throw unusable('the kubeconfig has no such context with a cluster', { file, context: chosen })
    const named = user === undefined ? undefined : tokenFileOf(loadYaml<unknown>(content), user.name)
    const tokenFile = named === undefined ? undefined : resolve(dirname(resolve(file)), named)
    return { cluster, user, tokenFile }
  } catch (cause) {
    if (cause instanceof MeshError) throw cause
    throw unusable('the kubeconfig cannot be understood', { file }, cause)
  }
}

/**
 * The API server and service account of the pod this process runs in ("Accessing the Kubernetes API from a Pod").
 * `root` is put before the well-known paths. Throws WEFT_REGISTRY_UNAVAILABLE outside of a pod.
 */
export async function loadInCluster(root = ''): Promise<ConfiguredCluster> {
  if ((process.env.KUBERNETES_SERVICE_HOST ?? '') === '' || (process.env.KUBERNETES_SERVICE_PORT ?? '') === '') {
    throw kubernetesError(
      'credentials',
      'this process runs in no pod, so there is no cluster to read',
      {},
      {
        next: 'give the registry a kubeconfig',
      },
    )
  }
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  config.loadFromCluster(root)
  const [cluster] = config.getClusters()
  const [user] = config.getUsers()
  if (cluster === undefined) throw unusable('the cluster of this pod cannot be found', {})
  const tokenFile = text(objectOf(user?.authProvider?.config).tokenFile)
  return { cluster, user: undefined, tokenFile }
}

/** Reads a file named by the configuration; throws WEFT_REGISTRY_UNAVAILABLE that names it. */
export async function readText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw kubernetesError('credentials', `${what} cannot be read`, { file }, { cause })
  }
}

/** The package knows another spelling only. */
function tokenFileOf(config: unknown, user: string): string | undefined {
  const entry = items(objectOf(config).users)
    .filter(isObject)
    .find(one => one.name === user)
  return text(objectOf(entry?.user).tokenFile) || undefined
}

function unusable(message: string, fields: Readonly<Record<string, unknown>>, cause?: unknown) {
  return kubernetesError('credentials', message, fields, { cause })
}
