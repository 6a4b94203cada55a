import { X509Certificate } from 'node:crypto'
import type {
  AgentResource,
  HostResource,
  LocalPort,
  LocalWorkloadResource,
  TrustResource,
} from '../model/agent-config.ts'
import { trustOf } from '../model/trust.ts'
import type { CallerSelector } from '../model/workload.ts'
import { assertNever } from '../std/assert-never.ts'
import { checkAddressRange, checkKeyHash, checkName, Fields, malformed, maxPemLength } from './fields.ts'
import { readPolicy } from './policy-codec.ts'
import { readProbe } from './probe-codec.ts'
import { mtlsModeNames, protocolNames, wordsByName } from './resource-enums.ts'
import { schema } from './schema.ts'
import { dnsName, labels, locality, maxNames, maxPorts, readService } from './service-decode.ts'
import { readTraffic } from './traffic-codec.ts'

const maxRoots = 256
const maxBanned = 100_000

const protocols = wordsByName(protocolNames)
const mtlsModes = wordsByName(mtlsModeNames)

/**
 * Reads and checks the body of the resource called `name`; everything past this line may be trusted to be of its type.
 * Throws WEFT_WIRE with the resource and the field.
 */
export function decodeBody(name: string, body: Buffer): AgentResource {
  const path = `resource ${name}`
  const fields = new Fields(parse(body, path), path)
  const kind = fields.oneOf(['host', 'trust', 'workload', 'service', 'traffic', 'policy'])
  const inner = fields.message(kind)
  switch (kind) {
    case 'host':
      return host(inner)
    case 'trust':
      return trust(inner)
    case 'workload':
      return workload(inner)
    case 'service':
      return readService(inner)
    case 'traffic':
      return readTraffic(inner)
    case 'policy':
      return readPolicy(inner)
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
    ...trustOf({
      trustDomain: fields.name('trustDomain'),
      sequence: fields.integer('sequence'),
      roots: fields.list('roots', maxRoots, certificate),
      tainted: fields.list('tainted', maxRoots, checkKeyHash),
      renewWithinMs: fields.integer('renewWithinMs'),
      retired: fields.list('retired', maxRoots, certificate),
      bannedIdentities: fields.list('bannedIdentities', maxBanned, checkName),
      bannedKeys: fields.list('bannedKeys', maxBanned, checkKeyHash),
    }),
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

function localPort(fields: Fields): LocalPort {
  const dryRunFrom = fields.text('mtlsDryRunFrom')
  const otherServices = fields.list('otherServices', maxNames, checkName)
  return {
    port: fields.port('port'),
    protocol: fields.choice('protocol', protocols),
    mtls: fields.choice('mtls', mtlsModes),
    mtlsFrom: fields.text('mtlsFrom'),
    service: fields.text('service'),
    ...(dryRunFrom === '' ? {} : { mtlsDryRun: { mode: fields.choice('mtlsDryRun', mtlsModes), from: dryRunFrom } }),
    ...(otherServices.length === 0 ? {} : { otherServices }),
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

function certificate(raw: unknown, path: string): string {
  if (typeof raw !== 'string' || raw.length > maxPemLength) throw malformed(path, 'is not a PEM certificate')
  try {
    new X509Certificate(raw)
  } catch (cause) {
    throw malformed(path, 'is not a PEM certificate', cause)
  }
  return raw
}
