import { MeshError } from '../mesh/std/errors.ts'

/** A service as it is asked for on the command line. */
export interface ServiceName {
  readonly namespace: string
  readonly name: string
}

/** Reads `payments`, `payments.shop` or `shop/payments`; the namespace is `default` when left out. Throws WEFT_USAGE. */
export function parseServiceName(text: string): ServiceName {
  const [, slashNamespace, slashName] = /^([^/.\s]+)\/([^/.\s]+)$/.exec(text) ?? []
  const [, dotName, dotNamespace] = /^([^/.\s]+)(?:\.([^/.\s]+))?$/.exec(text) ?? []
  const name = slashName ?? dotName
  if (name !== undefined) return { namespace: slashNamespace ?? dotNamespace ?? 'default', name }
  throw new MeshError('WEFT_USAGE', `${text} is no name of a service`, {
    next: 'write <service>, <service>.<namespace> or <namespace>/<service>',
  })
}

/** Where the API has the service. */
export function servicePath({ namespace, name }: ServiceName): string {
  return `/v1/services/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`
}
