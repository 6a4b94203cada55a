import type {
  AgentResource,
  LocalPort,
  LocalWorkloadResource,
  MeshEndpoint,
  MeshServiceResource,
} from '../model/agent-config.ts'
import type { DnsEndpoint, ServicePort } from '../model/service.ts'
import type { CallerSelector } from '../model/workload.ts'
import { assertNever } from '../std/assert-never.ts'
import { plainPolicy } from './policy-codec.ts'
import { plainProbe } from './probe-codec.ts'
import { healthNames, mtlsModeNames, protocolNames, resolutionNames } from './resource-enums.ts'
import { schema } from './schema.ts'
import { plainTraffic } from './traffic-codec.ts'

/**
 * Writes one resource as protobuf, the same value as the same bytes: fields in the order of their numbers, lists in the
 * order given, maps by key.
 */
export function encodeBody(resource: AgentResource): Buffer {
  return schema().agentResource.encode({ [resource.kind]: plain(resource) })
}

function plain(resource: AgentResource): object {
  switch (resource.kind) {
    case 'host':
    case 'trust':
      return resource
    case 'workload':
      return plainWorkload(resource)
    case 'service':
      return plainService(resource)
    case 'traffic':
      return plainTraffic(resource)
    case 'policy':
      return plainPolicy(resource)
    default:
      return assertNever(resource)
  }
}

function plainService(service: MeshServiceResource): object {
  return {
    ...service,
    ports: service.ports.map(plainPort),
    endpoints: service.endpoints.map(plainEndpoint),
    resolution: resolutionNames[service.resolution ?? 'static'],
    dnsEndpoints: service.dnsEndpoints?.map(plainDnsEndpoint),
  }
}

function plainWorkload(workload: LocalWorkloadResource): object {
  return {
    ...workload,
    labels: sorted(workload.labels),
    ports: workload.ports.map(plainLocalPort),
    callers: workload.callers.map(plainCaller),
    probes: workload.probes.map(plainProbe),
  }
}

function plainLocalPort({ mtlsDryRun, ...port }: LocalPort): object {
  const plain = { ...port, protocol: protocolNames[port.protocol], mtls: mtlsModeNames[port.mtls] }
  if (mtlsDryRun === undefined) return plain
  return { ...plain, mtlsDryRun: mtlsModeNames[mtlsDryRun.mode], mtlsDryRunFrom: mtlsDryRun.from }
}

function plainCaller(caller: CallerSelector): object {
  switch (caller.kind) {
    case 'uid':
      return { uid: caller.uid }
    case 'user':
      return { user: caller.user }
    case 'cgroup':
      return { cgroupPath: caller.path }
    default:
      return assertNever(caller)
  }
}

function plainPort(port: ServicePort): object {
  return { ...port, protocol: protocolNames[port.protocol] }
}

function plainEndpoint(endpoint: MeshEndpoint): object {
  return {
    ...endpoint,
    ports: sorted(endpoint.ports),
    labels: sorted(endpoint.labels),
    health: healthNames[endpoint.health],
  }
}

function plainDnsEndpoint(endpoint: DnsEndpoint): object {
  return { ...endpoint, ports: sorted(endpoint.ports), labels: sorted(endpoint.labels) }
}

function sorted<Value>(map: Readonly<Record<string, Value>>): Record<string, Value> {
  const byKey = ([one]: [string, Value], [other]: [string, Value]) => (one < other ? -1 : 1)
  return Object.fromEntries(Object.entries(map).sort(byKey))
}
