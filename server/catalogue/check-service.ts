import type { DnsEndpoint, Endpoint, Service, ServicePort } from '../../mesh/model/service.ts'
import { createRanges } from '../../mesh/std/ip-ranges.ts'
import { checkAddress, quoted } from './address-check.ts'
import { type ItemRules, labelProblem } from './check-workload.ts'
import { isHostName, isNamespace, isObjectName } from './names.ts'

/** What is left of a service, and why each part was left out; without `service` nothing is left. */
export interface CheckedService {
  readonly service?: Service
  readonly reasons: readonly string[]
}

/** What is known of the registry's workloads, by id: which can be used, and which it lists at all. */
export interface KnownWorkloads {
  usable(id: string): boolean
  listed(id: string): boolean
}

/**
 * Judges one service as a registry gives it: ports, hosts, addresses and endpoints one by one. Endpoints of workloads
 * that the registry lists but that cannot be used are dropped without a word: the workload itself was complained about.
 */
export function checkService(service: Service, workloads: KnownWorkloads, rules: ItemRules): CheckedService {
  if (!isNamespace(service.namespace)) return { reasons: [`${quoted(service.namespace)} is no namespace`] }
  if (!isObjectName(service.name)) return { reasons: [`${quoted(service.name)} is no name for a service`] }
  const reasons: string[] = []
  const ports = filtered(service.ports, (port, index) => portProblem(port, service.ports.slice(0, index)), reasons)
  if (ports.length === 0 && service.ports.length > 0) return { reasons }
  const names = new Set(ports.map(port => port.name))
  const known = service.endpoints.filter(({ workload }) => workloads.usable(workload) || !workloads.listed(workload))
  const endpoints = filtered(known, endpoint => endpointProblem(endpoint, workloads, names), reasons)
  const hosts = filtered(
    service.hosts,
    host => (isHostName(host) ? undefined : `${quoted(host)} is no host name`),
    reasons,
  )
  const addresses = filtered(service.addresses, address => serviceAddressProblem(address, rules), reasons)
  const exportTo = service.exportTo && filtered(service.exportTo, exportProblem, reasons)
  const dnsEndpoints =
    service.dnsEndpoints && filtered(service.dnsEndpoints, endpoint => dnsEndpointProblem(endpoint, names), reasons)
  const parts = {
    ports,
    endpoints,
    hosts,
    addresses,
    ...(exportTo === undefined ? {} : { exportTo }),
    ...(dnsEndpoints === undefined ? {} : { dnsEndpoints }),
  }
  const lists = (of: Service) => [of.ports, of.endpoints, of.hosts, of.addresses, of.exportTo, of.dnsEndpoints]
  const before = lists(service)
  const whole = lists({ ...service, ...parts }).every((list, at) => list?.length === before[at]?.length)
  return { service: whole ? service : { ...service, ...parts }, reasons }
}

function filtered<T>(
  items: readonly T[],
  problemOf: (item: T, index: number) => string | undefined,
  reasons: string[],
): readonly T[] {
  return items.filter((item, index) => {
    const problem = problemOf(item, index)
    if (problem !== undefined) reasons.push(problem)
    return problem === undefined
  })
}

function portProblem(port: ServicePort, before: readonly ServicePort[]): string | undefined {
  if (!isPort(port.port)) return `port ${quoted(port.name)} has the number ${port.port}`
  if (port.name === '' || port.name.length > 253) return `port ${port.port} has no usable name`
  if (before.some(other => other.name === port.name)) return `two ports are called ${quoted(port.name)}`
  return before.some(other => other.port === port.port) ? `two ports have the number ${port.port}` : undefined
}

function endpointProblem(
  endpoint: Endpoint,
  workloads: KnownWorkloads,
  names: ReadonlySet<string>,
): string | undefined {
  if (!workloads.usable(endpoint.workload))
    return `its endpoint ${quoted(endpoint.workload)} is no workload of this registry`
  const bad = Object.entries(endpoint.ports).find(([name, port]) => !isPort(port) || !names.has(name))
  if (bad === undefined) return weightProblem(endpoint)
  return `its endpoint ${quoted(endpoint.workload)} has ${quoted(bad[0])} on port ${bad[1]}`
}

function weightProblem({ workload, weight }: Endpoint): string | undefined {
  if (weight === undefined || isWeight(weight)) return undefined
  return `its endpoint ${quoted(workload)} has the weight ${weight}`
}

function dnsEndpointProblem(endpoint: DnsEndpoint, names: ReadonlySet<string>): string | undefined {
  const { name, ports, weight, labels } = endpoint
  if (!isObjectName(name)) return `its endpoint ${quoted(name)} is no name that DNS can be asked for`
  const bad = Object.entries(ports).find(([port, number]) => !isPort(number) || !names.has(port))
  if (bad !== undefined) return `its endpoint ${name} has ${quoted(bad[0])} on port ${bad[1]}`
  if (!isWeight(weight)) return `its endpoint ${name} has the weight ${weight}`
  const problem = labelProblem(labels)
  return problem === undefined ? undefined : `its endpoint ${name}: ${problem}`
}

function isWeight(weight: number): boolean {
  return Number.isFinite(weight) && weight >= 0
}

function exportProblem(namespace: string): string | undefined {
  return namespace === '*' || isNamespace(namespace)
    ? undefined
    : `it is exported to ${quoted(namespace)}, no namespace`
}

function serviceAddressProblem(text: string, rules: ItemRules): string | undefined {
  const [network = '', bits] = text.split('/')
  const checked = checkAddress(network, { virtualIps: rules.virtualIps, allowLoopback: false })
  if ('reason' in checked) return checked.reason
  if (bits === undefined) return undefined
  try {
    createRanges([text])
    return Number(bits) === 0 ? `${text} is every address` : undefined
  } catch {
    return `${quoted(text)} is no address range`
  }
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535
}
