import type { MeshEndpoint, MeshServiceResource } from '../model/agent-config.ts'
import type { Locality } from '../model/locality.ts'
import type { DnsEndpoint, ServicePort } from '../model/service.ts'
import {
  checkAddress,
  checkAddressRange,
  checkName,
  checkPort,
  checkText,
  type Fields,
  malformed,
  maxTextLength,
} from './fields.ts'
import { healthNames, protocolNames, resolutionNames, wordsByName } from './resource-enums.ts'

/** The most ports, names and endpoints of one resource. */
export const maxPorts = 4096
export const maxNames = 4096
const maxEndpoints = 100_000
const maxLabels = 256

const protocols = wordsByName(protocolNames)
const healths = wordsByName(healthNames)
const resolutions = wordsByName(resolutionNames)

/** Reads and checks a service that the host's workloads may call. Throws WEFT_WIRE with the field. */
export function readService(fields: Fields): MeshServiceResource {
  const ports = fields.messages('ports', maxPorts, servicePort)
  for (const key of ['name', 'port'] as const) {
    if (new Set(ports.map(port => port[key])).size < ports.length) {
      throw malformed(`${fields.path}.ports`, `has the same ${key} twice`)
    }
  }
  const resolution = fields.choice('resolution', resolutions)
  return {
    kind: 'service',
    namespace: fields.name('namespace'),
    name: fields.name('name'),
    hosts: fields.list('hosts', maxNames, dnsName),
    virtualIps: fields.list('virtualIps', maxNames, checkAddress),
    addresses: fields.list('addresses', maxNames, addressOrRange),
    external: fields.flag('external'),
    ports,
    endpoints: fields.messages('endpoints', maxEndpoints, endpoint),
    ...(resolution === 'static' ? {} : { resolution }),
    ...unlessEmpty('dnsEndpoints', fields.messages('dnsEndpoints', maxNames, dnsEndpoint)),
    ...unlessEmpty('subjectAltNames', fields.list('subjectAltNames', maxNames, checkName)),
    ...unlessEmpty('exportTo', fields.list('exportTo', maxNames, checkName)),
  }
}

/** What a list that may be absent reads as: protobuf cannot tell it from an empty one. */
function unlessEmpty<const Key extends string, Item>(
  key: Key,
  list: readonly Item[],
): { readonly [name in Key]?: readonly Item[] } {
  return list.length === 0 ? {} : ({ [key]: list } as { [name in Key]: readonly Item[] })
}

function servicePort(fields: Fields): ServicePort {
  return { name: fields.name('name'), port: fields.port('port'), protocol: fields.choice('protocol', protocols) }
}

function endpoint(fields: Fields): MeshEndpoint {
  return {
    id: fields.name('id'),
    address: fields.address('address'),
    ports: fields.map('ports', maxPorts, checkPort),
    ...fields.optionalName('identity'),
    workload: fields.text('workload'),
    namespace: fields.text('namespace'),
    labels: labels(fields),
    locality: locality(fields.message('locality')),
    weight: fields.share('weight'),
    health: fields.choice('health', healths),
  }
}

function dnsEndpoint(fields: Fields): DnsEndpoint {
  return {
    name: dnsName(fields.name('name'), `${fields.path}.name`),
    ports: fields.map('ports', maxPorts, checkPort),
    weight: fields.share('weight'),
    labels: labels(fields),
    locality: locality(fields.message('locality')),
  }
}

export function locality(fields: Fields): Locality {
  return { region: fields.text('region'), zone: fields.text('zone'), subzone: fields.text('subzone') }
}

export function labels(fields: Fields): Readonly<Record<string, string>> {
  return fields.map('labels', maxLabels, (raw, path) => checkText(raw, path, maxTextLength))
}

export function dnsName(raw: unknown, path: string): string {
  const name = checkName(raw, path)
  // RFC 1035 section 2.3.4: 255 octets; kept lower case and undotted so that a lookup is one map access.
  const plain = name.length <= 255 && name === name.toLowerCase() && !name.endsWith('.') && !/\s/.test(name)
  if (!plain) throw malformed(path, 'is not a lower-case DNS name without trailing dot')
  return name
}

function addressOrRange(raw: unknown, path: string): string {
  return typeof raw === 'string' && raw.includes('/') ? checkAddressRange(raw, path) : checkAddress(raw, path)
}
