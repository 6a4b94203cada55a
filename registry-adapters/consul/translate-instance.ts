import { type Locality, parseLocality } from '../../mesh/model/locality.ts'
import type { Protocol } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { canonicalAddress } from '../../mesh/std/ip-address.ts'
import type { ConsulInstance, ConsulNode } from './answers.ts'
import { callersOf } from './callers.ts'
import { healthOf } from './health.ts'
import { labelsOf } from './labels.ts'
import { dnsLabel } from './options.ts'
import { quoted } from './quoted.ts'
import { type InstanceSettings, settingsOfInstance } from './settings-of-instance.ts'

/** What the translation needs to know besides Consul's answer. */
export interface TranslateContext {
  /** Name of the registry: prefix of workload ids. */
  readonly registry: string
  readonly meshNamespace: string
  readonly defaultServiceAccount: 'none' | 'service-name'
}

/** One instance in the mesh's words. */
export interface TranslatedInstance {
  readonly workload: Workload
  /** Where it listens; undefined for an instance registered without a port: it calls and is not called. */
  readonly port: number | undefined
  /** Which port callers should use, and what is spoken there, as the instance says; undefined where it says nothing. */
  readonly servicePort: number | undefined
  readonly protocol: Protocol | undefined
}

/** Reasons are what was left out of an instance, or why it is left out as a whole (`instance` is missing then). */
export interface Translation {
  readonly instance?: TranslatedInstance
  readonly reasons: readonly string[]
}

const protocols: readonly string[] = ['tcp', 'tls', 'http', 'http2', 'grpc'] satisfies Protocol[]

/**
 * Makes a workload of one instance. A wrong name, namespace, identity, address or port leaves the instance out, as
 * guessing there could send traffic elsewhere or in the clear; any other wrong setting is left out alone.
 */
export function translateInstance(service: string, consul: ConsulInstance, context: TranslateContext): Translation {
  const { settings, reasons: wrongSettings } = settingsOfInstance(consul)
  const namespace = settings.namespace ?? context.meshNamespace
  const serviceAccount =
    settings['service-account'] ?? (context.defaultServiceAccount === 'service-name' ? service : undefined)
  const written = consul.address === '' ? consul.node.address : consul.address
  const address = canonicalAddress(written)
  const refusal = refusalOf({ service, namespace, serviceAccount, node: consul.node.name, port: consul.port })
  if (refusal !== undefined) return { reasons: [refusal] }
  if (address === undefined) return { reasons: [`the address ${quoted(written)} is not an IP address`] }
  const { callers, reasons: wrongCallers } = callersOf(settings)
  const { port: servicePort, reasons: wrongPort } = servicePortOf(settings)
  const { protocol, reasons: wrongProtocol } = protocolOf(settings)
  const { health, weight } = healthOf(consul)
  const workload: Workload = {
    id: `${context.registry}/${consul.node.name}/${consul.id}`,
    registry: context.registry,
    namespace,
    name: service,
    address,
    node: settings.node ?? consul.node.name,
    ...(serviceAccount !== undefined && { serviceAccount }),
    labels: labelsOf(service, consul),
    locality: localityOf(settings, consul.node),
    weight,
    health,
    callers,
  }
  const port = consul.port === 0 ? undefined : consul.port
  const reasons = [...wrongSettings, ...wrongCallers, ...wrongPort, ...wrongProtocol]
  return { instance: { workload, port, servicePort, protocol }, reasons }
}

/** Names as Kubernetes has them for a service account, which a SPIFFE id can carry. */
const accountName = /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/

function refusalOf(item: {
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

function servicePortOf(settings: InstanceSettings): { readonly port?: number; readonly reasons: readonly string[] } {
  if (settings.port === undefined) return { reasons: [] }
  const port = /^\d{1,5}$/.test(settings.port) ? Number(settings.port) : 0
  return isPort(port) ? { port, reasons: [] } : { reasons: [`weft-port ${quoted(settings.port)} is not a port`] }
}

function protocolOf(settings: InstanceSettings): { readonly protocol?: Protocol; readonly reasons: readonly string[] } {
  const { protocol } = settings
  if (protocol === undefined) return { reasons: [] }
  if (isProtocol(protocol)) return { protocol, reasons: [] }
  return { reasons: [`weft-protocol ${quoted(protocol)} is none of ${protocols.join(', ')}`] }
}

/** The instance's own word, the node's, or the datacentre as the region. */
function localityOf(settings: InstanceSettings, node: ConsulNode): Locality {
  const said = settings.locality ?? node.meta['weft-locality']
  return said === undefined ? { region: node.datacenter, zone: '', subzone: '' } : parseLocality(said)
}

function isProtocol(text: string): text is Protocol {
  return protocols.includes(text)
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535
}
