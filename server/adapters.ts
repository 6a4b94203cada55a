import type { RegistrySnapshot } from '../mesh/model/catalogue.ts'
import type { Resource } from '../mesh/resources/resource.ts'
import { snapshotFromResources } from '../mesh/resources/to-model.ts'
import { assertNever } from '../mesh/std/assert-never.ts'
import type { Watch } from '../mesh/std/watch.ts'
import type { AdapterDeps, RegistryAdapter } from '../registry-adapters/adapter.ts'
import { createConsulAdapter } from '../registry-adapters/consul/adapter.ts'
import type { ConsulOptions } from '../registry-adapters/consul/options.ts'
import { createStaticAdapter } from '../registry-adapters/static/static-adapter.ts'
import type { RegistryConfig } from './registry-config.ts'

/** Makes the adapter of a configured registry; throws WEFT_CONFIG_INVALID for options that cannot work. */
export function createAdapter(config: RegistryConfig, deps: AdapterDeps): RegistryAdapter {
  switch (config.kind) {
    case 'static':
      return createStaticAdapter(deps, {
        files: config.files,
        ...(config.directory === '' ? {} : { directory: config.directory }),
      })
    case 'consul':
      return createConsulAdapter(deps, consulOptions(config))
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

/** The configuration writes "not set" as an empty text, the adapter as an absent option. */
function consulOptions(config: Extract<RegistryConfig, { kind: 'consul' }>): ConsulOptions {
  const { address, stale, datacenter, tokenFile, caFile, certFile, keyFile, namespace, maxOpenQueries } = config
  const tls = {
    ...(caFile === '' ? {} : { ca: caFile }),
    ...(certFile === '' ? {} : { cert: certFile }),
    ...(keyFile === '' ? {} : { key: keyFile }),
  }
  return {
    address,
    stale,
    meshNamespace: namespace,
    maxOpenQueries,
    defaultServiceAccount: config.serviceAccounts === 'service-name' ? 'service-name' : 'none',
    ...(datacenter === '' ? {} : { datacenter }),
    ...(tokenFile === '' ? {} : { tokenFile }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  }
}
