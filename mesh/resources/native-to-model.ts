import { parseLocality, unknownLocality } from '../model/locality.ts'
import type { Endpoint, Service, ServicePort } from '../model/service.ts'
import type { Workload } from '../model/workload.ts'
import { canonicalAddress } from '../std/ip-address.ts'
import { callerSelectors } from './annotations.ts'
import type { NativeService, NativeWorkload } from './native.ts'
import { probeFromNative } from './native-health.ts'
import { protocolFromName } from './port-protocol.ts'
import { workloadId } from './workload-to-model.ts'

/** A service of the short form, without endpoints: those come from workloads, of any file. */
export function serviceFromNative(service: NativeService): Service {
  const listed = Array.isArray(service.ports)
    ? service.ports
    : Object.entries(service.ports).map(([name, port]) => ({ name, port, protocol: undefined }))
  const ports: ServicePort[] = listed.map(({ name, port, protocol }) => {
    return { name, port, protocol: protocol ?? protocolFromName(name, port) }
  })
  const { namespace, name } = service
  return { namespace, name, hosts: [], addresses: [], location: 'mesh', ports, endpoints: [] }
}

/** A workload of the short form. */
export function workloadFromNative(registryName: string, workload: NativeWorkload): Workload {
  const { namespace, name, address, node, serviceAccount, locality, health } = workload
  const probe = health === undefined ? undefined : probeFromNative(health)
  return {
    id: workloadId(registryName, namespace, name),
    registry: registryName,
    namespace,
    name,
    address: canonicalAddress(address) ?? address,
    ...(node === undefined ? {} : { node }),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    labels: workload.labels ?? {},
    locality: locality === undefined ? unknownLocality : parseLocality(locality),
    weight: workload.weight ?? 1,
    health: 'healthy',
    ...(probe === undefined ? {} : { probe }),
    callers: callerSelectors(workload),
  }
}

/**
 * Where a workload serves a service's ports, or why that cannot be said: ports the service does not have, or one
 * number for a service of several.
 */
export function endpointFromNative(
  service: Service,
  id: string,
  ports: number | Readonly<Record<string, number>>,
): { readonly kind: 'good'; readonly endpoint: Endpoint } | { readonly kind: 'bad'; readonly reason: string } {
  const names = service.ports.map(port => port.name)
  if (typeof ports === 'number') {
    const [only] = names
    if (only === undefined || names.length > 1) {
      return { kind: 'bad', reason: `service ${service.name} has ${names.length} ports, name the one that is meant` }
    }
    return { kind: 'good', endpoint: { workload: id, ports: { [only]: ports } } }
  }
  const unknown = Object.keys(ports).find(name => !names.includes(name))
  if (unknown === undefined) return { kind: 'good', endpoint: { workload: id, ports } }
  return { kind: 'bad', reason: `service ${service.name} has no port ${unknown}, it has ${names.join(', ') || 'none'}` }
}
