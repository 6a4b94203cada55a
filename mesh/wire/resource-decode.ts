import { X509Certificate } from 'node:crypto'
import type {
  AgentResource,
  HostResource,
  LocalPort,
  LocalWorkloadResource,
  MeshEndpoint,
  MeshServiceResource,
  TrustResource,
} from '../model/agent-config.ts'
import type { Locality } from '../model/locality.ts'
import type { ServicePort } from '../model/service.ts'
import type { CallerSelector } from '../model/workload.ts'
import { assertNever } from '../std/assert-never.ts'
import {
  checkAddress,
  checkAddressRange,
  checkName,
  checkPort,
  checkText,
  Fields,
  malformed,
  maxPemLength,
  maxTextLength,
} from './fields.ts'
import { readProbe } from './probe-codec.ts'
import { healthNames, mtlsModeNames, protocolNames, wordsByName } from './resource-enums.ts'
import { schema } from './schema.ts'
import { readTraffic } from './traffic-codec.ts'

const maxRoots = 256
const maxPorts = 4096
const maxNames = 4096
const maxEndpoints = 100_000
const maxLabels = 256

const protocols = wordsByName(protocolNames)
const mtlsModes = wordsByName(mtlsModeNames)
const healths = wordsByName(healthNames)

/**
 * Reads and checks the body of the resource called `name`; everything past this line may be trusted to be of its type.
 * Throws WEFT_WIRE with the resource and the field.
 */
export function decodeBody(name: string, body: Buffer): AgentResource {
  const path = `resource ${name}`
  const fields = new Fields(parse(body, path), path)
  const kind = fields.oneOf(['host', 'trust', 'workload', 'service', 'traffic'])
  const inner = fields.message(kind)
  switch (kind) {
    case 'host':
      return host(inner)
    case 'trust':
      return trust(inner)
    case 'workload':
      return workload(inner)
    case 'service':
      return service(inner)
    case 'traffic':
      return readTraffic(inner)
    default:
      return assertNever(kind)
  }
}

function parse(body: Buffer, path: string): object {
  try {
    return schema().agentResource.decode(body)
  } catch (cause) {
    throw malformed(path, 'is not a protobuf message', cause)
  }
}

function host(fields: Fields): HostResource {
  return {
    kind: 'host',
    node: fields.name('node'),
    trustDomain: fields.name('trustDomain'),
    rootNamespace: fields.text('rootNamespace'),
    dnsDomain: dnsName(fields.name('dnsDomain'), `${fields.path}.dnsDomain`),
    ...fields.optionalName('defaultIdentity'),
    virtualIpRanges: fields.list('virtualIpRanges', maxNames, checkAddressRange),
    locality: locality(fields.message('locality')),
  }
}

function trust(fields: Fields): TrustResource {
  return {
    kind: 'trust',
    trustDomain: fields.name('trustDomain'),
    sequence: fields.integer('sequence'),
    roots: fields.list('roots', maxRoots, certificate),
  }
}

function workload(fields: Fields): LocalWorkloadResource {
  return {
    kind: 'workload',
    id: fields.name('id'),
    namespace: fields.name('namespace'),
    name: fields.name('name'),
    address: fields.address('address'),
    ...fields.optionalName('identity'),
    labels: labels(fields),
    ports: fields.messages('ports', maxPorts, localPort),
    callers: fields.messages('callers', maxNames, caller),
    probes: fields.messages('probes', maxPorts, readProbe),
  }
}

function service(fields: Fields): MeshServiceResource {
  const ports = fields.messages('ports', maxPorts, servicePort)
  for (const key of ['name', 'port'] as const) {
    if (new Set(ports.map(port => port[key])).size < ports.length) {
      throw malformed(`${fields.path}.ports`, `has the same ${key} twice`)
    }
  }
  const exportTo = fields.list('exportTo', maxNames, checkName)
  return {
    kind: 'service',
    namespace: fields.name('namespace'),
    name: fields.name('name'),
    hosts: fields.list('hosts', maxNames, dnsName),
    virtualIps: fields.list('virtualIps', maxNames, checkAddress),
    addresses: fields.list('addresses', maxNames, checkAddress),
    external: fields.flag('external'),
    ports,
    endpoints: fields.messages('endpoints', maxEndpoints, endpoint),
    ...(exportTo.length === 0 ? {} : { exportTo }),
  }
}

function localPort(fields: Fields): LocalPort {
  return {
    port: fields.port('port'),
    protocol: fields.choice('protocol', protocols),
    mtls: fields.choice('mtls', mtlsModes),
    mtlsFrom: fields.text('mtlsFrom'),
    service: fields.text('service'),
  }
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

function caller(fields: Fields): CallerSelector {
  switch (fields.oneOf(['uid', 'user', 'cgroupPath'])) {
    case 'uid':
      return { kind: 'uid', uid: fields.integer('uid') }
    case 'user':
      return { kind: 'user', user: fields.name('user') }
    case 'cgroupPath': {
      const path = fields.name('cgroupPath')
      // It becomes part of a path that root opens and of a firewall rule.
      const tame = !path.startsWith('/') && path.split('/').every(part => part !== '' && part !== '.' && part !== '..')
      if (!tame) throw malformed(`${fields.path}.cgroupPath`, 'is not a path below the cgroup root')
      return { kind: 'cgroup', path }
    }
  }
}

function locality(fields: Fields): Locality {
  return { region: fields.text('region'), zone: fields.text('zone'), subzone: fields.text('subzone') }
}

function labels(fields: Fields): Readonly<Record<string, string>> {
  return fields.map('labels', maxLabels, (raw, path) => checkText(raw, path, maxTextLength))
}

function dnsName(raw: unknown, path: string): string {
  const name = checkName(raw, path)
  // RFC 1035 section 2.3.4: 255 octets; kept lower case and undotted so that a lookup is one map access.
  const plain = name.length <= 255 && name === name.toLowerCase() && !name.endsWith('.') && !/\s/.test(name)
  if (!plain) throw malformed(path, 'is not a lower-case DNS name without trailing dot')
  return name
}

function certificate(raw: unknown, path: string): string {
  if (typeof raw !== 'string' || raw.length > maxPemLength) throw malformed(path, 'is not a PEM certificate')
  try {
    new X509Certificate(raw)
  } catch (cause) {
    throw malformed(path, 'is not a PEM certificate', cause)
  }
  return raw
}
