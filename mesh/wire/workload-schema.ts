import { fileURLToPath } from 'node:url'
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader'

/** One identity as `X509SVID` carries it: DER throughout, certificates one after the other. */
export interface X509Svid {
  readonly spiffeId: string
  readonly x509Svid: Uint8Array
  readonly x509SvidKey: Uint8Array
  readonly bundle: Uint8Array
}

export interface X509SvidResponse {
  readonly svids: readonly X509Svid[]
}

export interface X509BundlesResponse {
  /** By the SPIFFE id of the trust domain. */
  readonly bundles: Readonly<Record<string, Uint8Array>>
}

let loaded: ServiceDefinition | undefined

/**
 * The service `SpiffeWorkloadAPI` of `workload.proto` as gRPC takes it, with messages as plain objects in camel case.
 * The file lies beside this one in the sources and in `dist/`; it is read once, at the first use.
 */
export function workloadApiService(): ServiceDefinition {
  loaded ??= load()
  return loaded
}

function load(): ServiceDefinition {
  const definition = loadSync(fileURLToPath(new URL('./workload.proto', import.meta.url)), { defaults: true })
  const service = definition.SpiffeWorkloadAPI
  if (service === undefined || 'format' in service) throw new TypeError('workload.proto has no service')
  return service as ServiceDefinition
}
