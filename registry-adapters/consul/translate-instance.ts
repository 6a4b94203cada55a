import { type Locality, parseLocality } from '../../mesh/model/locality.ts'
import type { Protocol } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { canonicalAddress } from '../../mesh/std/ip-address.ts'
import { callersOf } from '../callers.ts'
import { probeOf } from '../health-setting.ts'
import { refusalOf } from '../instance-names.ts'
import { type InstanceSettings, protocolOf, servicePortOf, weightOf } from '../instance-settings.ts'
import { quoted } from '../quoted.ts'
import { placeOf } from './addresses.ts'
import type { ConsulInstance, ConsulNode } from './answers.ts'
import { healthOf } from './health.ts'
import { labelsOf } from './labels.ts'
import { settingsOfInstance } from './settings-of-instance.ts'

/** What the translation needs to know besides Consul's answer. */
export interface TranslateContext {
  /** Name of the registry: prefix of workload ids. */
  readonly registry: string
  readonly meshNamespace: string
  readonly defaultServiceAccount: 'none' | 'service-name'
  /** Which of the tagged addresses to use, where there is such a one. */
  readonly addressTag: string | undefined
}

/** One instance in the mesh's words. */
export interface TranslatedInstance {
  readonly workload: Workload
  /** Where it listens; undefined for an instance registered without a port: it calls and is not called. */
  readonly port: number | undefined
  /** Which port callers should use, and what is spoken there, as the instance says; undefined where it says nothing. */
  readonly servicePort: number | undefined
  readonly protocol: Protocol | undefined
  /** Its tagged address `virtual`: that of the service as a whole; empty for none. */
  readonly virtual: string
}

/** Reasons are what was left out of an instance, or why it is left out as a whole (`instance` is missing then). */
export interface Translation {
  readonly instance?: TranslatedInstance
  readonly reasons: readonly string[]
}

/**
 * Makes a workload of one instance. A wrong name, namespace, identity, address or port leaves the instance out, as
 * guessing there could send traffic elsewhere or in the clear; any other wrong setting is left out alone.
 */
export function translateInstance(service: string, consul: ConsulInstance, context: TranslateContext): Translation {
  const { settings, reasons: wrongSettings } = settingsOfInstance(consul)
  const namespace = settings.namespace ?? context.meshNamespace
  const serviceAccount =
    settings['service-account'] ?? (context.defaultServiceAccount === 'service-name' ? service : undefined)
  const { address: written, port: own } = placeOf(consul, context.addressTag)
  const address = canonicalAddress(written)
  const refusal = refusalOf({ service, namespace, serviceAccount, node: consul.node.name, port: own })
  if (refusal !== undefined) return { reasons: [refusal] }
  if (address === undefined) return { reasons: [`the address ${quoted(written)} is not an IP address`] }
  const { callers, reasons: wrongCallers } = callersOf(settings)
  const { port: servicePort, reasons: wrongPort } = servicePortOf(settings)
  const { protocol, reasons: wrongProtocol } = protocolOf(settings)
  const { weight: said, reasons: wrongWeight } = weightOf(settings)
  const { probe, reasons: wrongProbe } = probeOf(settings)
  const { health, weight, healthReason } = healthOf(consul)
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
    weight: said ?? weight,
    health,
    ...(healthReason !== undefined && { healthReason }),
    ...(probe !== undefined && { probe }),
    callers,
  }
  const port = own === 0 ? undefined : own
  const { virtual, reasons: wrongVirtual } = virtualOf(consul)
  const wrong = [wrongSettings, wrongCallers, wrongPort, wrongProtocol, wrongWeight, wrongVirtual, wrongProbe]
  const reasons = wrong.flat()
  return { instance: { workload, port, servicePort, protocol, virtual }, reasons }
}

function virtualOf({ taggedAddresses }: ConsulInstance): {
  readonly virtual: string
  readonly reasons: readonly string[]
} {
  const written = taggedAddresses.virtual?.address ?? ''
  const virtual = written === '' ? '' : canonicalAddress(written)
  if (virtual !== undefined) return { virtual, reasons: [] }
  return { virtual: '', reasons: [`the virtual address ${quoted(written)} is not an IP address`] }
}

/** The instance's own word, the node's, or the datacentre as the region. */
function localityOf(settings: InstanceSettings, node: ConsulNode): Locality {
  const said = settings.locality ?? node.meta['weft-locality']
  return said === undefined ? { region: node.datacenter, zone: '', subzone: '' } : parseLocality(said)
}
