import { isPort } from './instance-settings.ts'
import { quoted } from './quoted.ts'

/** What a service or namespace of the mesh may be called (RFC 1123). */
export const dnsLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
/** Names as Kubernetes has them for a service account, which a SPIFFE id can carry. */
const accountName = /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/

/** Why an instance cannot be used as a whole; undefined when it can. Port 0 is that of an instance without one. */
export function refusalOf(item: {
  readonly service: string
  readonly namespace: string
  readonly serviceAccount: string | undefined
  readonly node: string
  readonly port: number
}): string | undefined {
  const { service, namespace, serviceAccount, node, port } = item
  if (!dnsLabel.test(service)) return `the service name ${quoted(service)} is not a DNS label`
  if (!dnsLabel.test(namespace)) return `the namespace ${quoted(namespace)} is not a DNS label`
  if (serviceAccount !== undefined && !accountName.test(serviceAccount)) {
    return `the service account ${quoted(serviceAccount)} cannot stand in an identity`
  }
  if (node === '' || node.includes('/')) return `the node name ${quoted(node)} is empty or has a slash`
  return port === 0 || isPort(port) ? undefined : `the port ${port} is not between 1 and 65535`
}
