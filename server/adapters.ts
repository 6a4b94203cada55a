import { resolve } from 'node:path'
import type { RegistrySnapshot } from '../mesh/model/catalogue.ts'
import type { Resource } from '../mesh/resources/resource.ts'
import { snapshotFromResources } from '../mesh/resources/to-model.ts'
import { assertNever } from '../mesh/std/assert-never.ts'
import type { Clock } from '../mesh/std/clock.ts'
import type { Watch } from '../mesh/std/watch.ts'
import type { AdapterDeps, RegistryAdapter } from '../registry-adapters/adapter.ts'
import { createConsulAdapter } from '../registry-adapters/consul/adapter.ts'
import { createConsulHealthWriter } from '../registry-adapters/consul/health-writer.ts'
import type { ConsulOptions } from '../registry-adapters/consul/options.ts'
import { createKubernetesAdapter } from '../registry-adapters/kubernetes/adapter.ts'
import type { KubernetesOptions } from '../registry-adapters/kubernetes/options.ts'
import { createNomadAdapter } from '../registry-adapters/nomad/adapter.ts'
import type { NomadAdapterOptions } from '../registry-adapters/nomad/options.ts'
import { loadPlugin } from '../registry-adapters/plugin.ts'
import { createStaticAdapter } from '../registry-adapters/static/static-adapter.ts'
import type { HealthWriter } from './health/write-back.ts'
import type { RegistryConfig } from './registry-config.ts'

/**
 * What makes the adapter of a configured registry; the package of a plugin is loaded for that. Either throws
 * WEFT_CONFIG_INVALID for options that cannot work.
 */
export async function adapterOf(config: RegistryConfig, clock: Clock): Promise<(deps: AdapterDeps) => RegistryAdapter> {
  if (config.kind !== 'plugin') return deps => createAdapter(config, deps)
  const { name: registry, package: name, configDir } = config
  const installation = import.meta.dirname
  const directories =
    config.pluginDir === ''
      ? [installation, ...(configDir === undefined ? [] : [configDir])]
      : [resolve(configDir ?? '.', config.pluginDir)]
  return loadPlugin({ registry, package: name, options: config.options ?? {}, directories }, clock)
}

function createAdapter(config: Exclude<RegistryConfig, { kind: 'plugin' }>, deps: AdapterDeps): RegistryAdapter {
  switch (config.kind) {
    case 'static':
      return createStaticAdapter(deps, {
        files: config.files,
        ...(config.directory === '' ? {} : { directory: config.directory }),
      })
    case 'consul':
      return createConsulAdapter(deps, consulOptions(config))
    case 'nomad':
      return createNomadAdapter(deps, nomadOptions(config))
    case 'kubernetes':
      return createKubernetesAdapter(deps, kubernetesOptions(config))
    default:
      return assertNever(config)
  }
}

/** The resources that operators applied, as a registry like any other. It is never out of touch. */
export function createResourcesAdapter(resources: Watch<readonly Resource[]>, deps: AdapterDeps): RegistryAdapter {
  return {
    async *watch(signal): AsyncGenerator<RegistrySnapshot> {
      for await (const current of resources.changes(signal)) yield snapshotFromResources(deps.name, current)
    },
  }
}

/** Who tells a registry what the mesh's own checks find; undefined where that is not wanted. */
export function createHealthWriter(
  config: RegistryConfig,
  deps: Omit<AdapterDeps, 'name' | 'report'>,
): HealthWriter | undefined {
  if (config.kind !== 'consul' || !config.writeHealth) return undefined
  return createConsulHealthWriter({ ...deps, name: config.name }, consulOptions(config))
}

/** The configuration writes "not set" as an empty text, the adapter as an absent option. */
function consulOptions(config: Extract<RegistryConfig, { kind: 'consul' }>): ConsulOptions {
  const { address, addresses, stale, namespace, maxOpenQueries, services, excludeServices } = config
  const { loginMethod: method, loginBearerTokenFile: bearerTokenFile } = config
  const tls = given({ ca: config.caFile, cert: config.certFile, key: config.keyFile })
  return {
    addresses,
    stale,
    services,
    excludeServices,
    meshNamespace: namespace,
    maxOpenQueries,
    defaultServiceAccount: config.serviceAccounts === 'service-name' ? 'service-name' : 'none',
    ...given({ address, datacenter: config.datacenter, tokenFile: config.tokenFile }),
    ...given({ consulNamespace: config.consulNamespace, partition: config.partition }),
    ...given({ filter: config.filter, addressTag: config.addressTag }),
    ...(method === '' && bearerTokenFile === '' ? {} : { login: { method, bearerTokenFile } }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  }
}

/** The texts that are not empty. */
function given<T extends Readonly<Record<string, string>>>(texts: T): Partial<T> {
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== '')) as Partial<T>
}

function nomadOptions(config: Extract<RegistryConfig, { kind: 'nomad' }>): NomadAdapterOptions {
  const { address, region, tokenFile, caFile, certFile, keyFile, tlsServerName } = config
  const { namespaces, stale, serviceAccounts, maxOpenQueries, checkPeriodSeconds } = config
  const tls = {
    ...(caFile === '' ? {} : { ca: caFile }),
    ...(certFile === '' ? {} : { cert: certFile }),
    ...(keyFile === '' ? {} : { key: keyFile }),
    ...(tlsServerName === '' ? {} : { serverName: tlsServerName }),
  }
  const client = {
    address,
    ...(region === '' ? {} : { region }),
    ...(tokenFile === '' ? {} : { tokenFile }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  }
  return { client, namespaces, stale, serviceAccounts, maxOpenQueries, checkPeriodSeconds }
}

function kubernetesOptions(config: Extract<RegistryConfig, { kind: 'kubernetes' }>): KubernetesOptions {
  const { kubeconfig, context, labelSelector, clusterName } = config
  const { allowExec, namespaces, clusterDomain, serviceAccounts, nodeAgents, nodes, istio } = config
  return {
    allowExec,
    namespaces,
    clusterDomain,
    serviceAccounts,
    nodeAgents,
    nodes,
    istio,
    ...(kubeconfig === '' ? {} : { kubeconfig }),
    ...(context === '' ? {} : { context }),
    ...(labelSelector === '' ? {} : { labelSelector }),
    ...(clusterName === '' ? {} : { clusterName }),
  }
}
