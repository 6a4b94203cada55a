import type { DnsEndpoint, Endpoint, Protocol, Service, ServicePort } from '../model/service.ts'
import type { Workload } from '../model/workload.ts'
import { canonicalAddress } from '../std/ip-address.ts'
import { declaredProtocol, protocolFromName } from './port-protocol.ts'
import type { ServiceEntry } from './service-entry.ts'
import type { WorkloadEntry } from './workload-entry.ts'
import { endpointLabels, entryLabels, hasAddress, workloadBasics, workloadId } from './workload-to-model.ts'

type EntryPort = NonNullable<ServiceEntry['spec']['ports']>[number]
type EndpointSpec = NonNullable<ServiceEntry['spec']['endpoints']>[number]

/**
 * A service as a ServiceEntry tells it, with the workloads that only it knows: its inline endpoints. `entries` are all
 * WorkloadEntries of the registry, for a selector to choose from.
 */
export function serviceFromEntry(
  registryName: string,
  entry: ServiceEntry,
  entries: readonly WorkloadEntry[],
): { readonly service: Service; readonly workloads: readonly Workload[] } {
  const { spec, metadata } = entry
  const ports = spec.ports ?? []
  const inline = inlineEndpoints(entry).map(endpoint => inlineWorkload(registryName, entry, endpoint))
  const selected = selectedEntries(entry, entries)
  const chosen = selected.filter(hasAddress).map(chosen => ({
    workload: workloadId(registryName, chosen.metadata.namespace, chosen.metadata.name),
    ports: endpointPorts(ports, chosen.spec.ports),
  }))
  const service: Service = {
    namespace: metadata.namespace,
    name: metadata.name,
    hosts: [...new Set(spec.hosts.map(host => host.toLowerCase().replace(/\.$/, '')))],
    addresses: [...new Set((spec.addresses ?? []).map(address => canonicalAddress(address) ?? address))],
    location: spec.location === 'MESH_INTERNAL' ? 'mesh' : 'external',
    ports: ports.map(servicePort),
    endpoints: [...inline.map(one => one.endpoint), ...chosen],
    ...resolved(
      entry,
      selected.filter(chosen => !hasAddress(chosen)),
    ),
    ...exported(entry),
  }
  return { service, workloads: inline.map(one => one.workload) }
}

/** Namespaces it is shown to, `.` being its own; nothing is said when it is shown to all. */
function exported({ spec, metadata }: ServiceEntry): Pick<Service, 'exportTo'> {
  const names = spec.exportTo ?? []
  if (names.length === 0 || names.includes('*')) return {}
  return { exportTo: names.filter(name => name !== '~').map(name => (name === '.' ? metadata.namespace : name)) }
}

type Discovery = Pick<Service, 'resolution' | 'dnsEndpoints' | 'subjectAltNames'>

/** How its endpoints are found, where they are not simply listed. */
function resolved({ spec }: ServiceEntry, named: readonly WorkloadEntry[]): Discovery {
  const { resolution = 'NONE', subjectAltNames = [], ports = [], endpoints = [] } = spec
  const names = subjectAltNames.length === 0 ? {} : { subjectAltNames }
  const ofEntries = named.map(chosen => dnsEndpoint({ ...chosen.spec, labels: entryLabels(chosen) }, ports))
  if (resolution === 'STATIC') return ofEntries.length === 0 ? names : { ...names, dnsEndpoints: ofEntries }
  if (resolution === 'NONE') return ownAddress(spec) === undefined ? { ...names, resolution: 'none' } : names
  if (resolution === 'DYNAMIC_DNS') return { ...names, resolution: 'dynamic-dns' }
  const inline = endpoints.filter(({ address }) => canonicalAddress(address) === undefined)
  const listed = endpoints.length > 0 || spec.workloadSelector !== undefined
  return {
    ...names,
    resolution: resolution === 'DNS_ROUND_ROBIN' ? 'dns-round-robin' : 'dns',
    dnsEndpoints: listed
      ? [...inline.map(endpoint => dnsEndpoint(endpoint, ports)), ...ofEntries]
      : spec.hosts.map(address => dnsEndpoint({ address }, ports)),
  }
}

function dnsEndpoint(endpoint: EndpointSpec, ports: readonly EntryPort[]): DnsEndpoint {
  const { weight, locality } = workloadBasics(endpoint)
  const name = endpoint.address.toLowerCase().replace(/\.$/, '')
  return { name, ports: endpointPorts(ports, endpoint.ports), weight, labels: endpointLabels(endpoint), locality }
}

/** With resolution NONE a connection goes on to the address it was made to: a single one is as good as listed. */
function ownAddress({ hosts, addresses = [] }: ServiceEntry['spec']): string | undefined {
  const [only, ...others] = addresses
  const wild = hosts.some(host => host.startsWith('*'))
  return others.length === 0 && !wild && only !== undefined && !only.includes('/') ? only : undefined
}

function inlineEndpoints(entry: ServiceEntry): { readonly key: string; readonly spec: EndpointSpec }[] {
  const { spec } = entry
  const own = (spec.resolution ?? 'NONE') === 'NONE' ? ownAddress(spec) : undefined
  const specs = (spec.endpoints ?? []).filter(({ address }) => canonicalAddress(address) !== undefined)
  if (own !== undefined) specs.push({ address: own })
  const seen = new Map<string, number>()
  return specs.map(one => {
    const address = canonicalAddress(one.address) ?? one.address
    const times = (seen.get(address) ?? 0) + 1
    seen.set(address, times)
    return { key: times === 1 ? address : `${address}#${times}`, spec: one }
  })
}

function inlineWorkload(registryName: string, entry: ServiceEntry, endpoint: { key: string; spec: EndpointSpec }) {
  const { namespace, name } = entry.metadata
  const id = `${workloadId(registryName, namespace, name)}/${endpoint.key}`
  const workload: Workload = {
    id,
    registry: registryName,
    namespace,
    name: `${name}-${endpoint.key.replaceAll(/[^0-9a-f]+/g, '-').replaceAll(/^-|-$/g, '')}`,
    ...workloadBasics(endpoint.spec),
    labels: endpointLabels(endpoint.spec),
    callers: [],
  }
  return { workload, endpoint: { workload: id, ports: endpointPorts(entry.spec.ports ?? [], endpoint.spec.ports) } }
}

function selectedEntries(entry: ServiceEntry, entries: readonly WorkloadEntry[]): WorkloadEntry[] {
  const { workloadSelector } = entry.spec
  if (workloadSelector === undefined) return []
  const wanted = Object.entries(workloadSelector.labels ?? {})
  return entries.filter(candidate => {
    if (candidate.metadata.namespace !== entry.metadata.namespace) return false
    const labels = entryLabels(candidate)
    return wanted.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value)
  })
}

/** The endpoint's own port of that name, else the service's targetPort, else the same number (Istio's order). */
function endpointPorts(ports: readonly EntryPort[], own: Readonly<Record<string, number>> = {}): Endpoint['ports'] {
  return Object.fromEntries(
    ports.map(port => [
      port.name,
      (Object.hasOwn(own, port.name) ? own[port.name] : undefined) ?? port.targetPort ?? port.number,
    ]),
  )
}

function servicePort(port: EntryPort): ServicePort {
  const { name, number, protocol: declared = '' } = port
  const protocol: Protocol = declared === '' ? protocolFromName(name, number) : declaredProtocol(declared, number)
  return { name, port: number, protocol }
}
