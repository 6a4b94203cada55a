import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import type { Endpoint, Service } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { undeclaredProtocol } from '../../mesh/resources/port-protocol.ts'
import { mostFrequent } from '../most-frequent.ts'
import { quoted } from '../quoted.ts'
import { commonVirtual } from './addresses.ts'
import type { ConsulInstance } from './answers.ts'
import { ownService } from './rights.ts'
import { type TranslateContext, type TranslatedInstance, translateInstance } from './translate-instance.ts'

/** What one service of Consul becomes: no service when nobody listens, more than one when it spans namespaces. */
export interface ServiceFragment {
  readonly services: readonly Service[]
  readonly workloads: readonly Workload[]
  readonly problems: readonly RegistryProblem[]
  /** Raft index of the last write to each workload's instance, by workload id. */
  readonly revisions: ReadonlyMap<string, number>
}

/** Kinds that belong to Consul's own mesh; their instances are proxies, not services. */
const proxyKinds = new Set(['connect-proxy', 'mesh-gateway', 'ingress-gateway', 'terminating-gateway', 'api-gateway'])

/** Translates all instances of one Consul service. Pure; ordered by workload id and namespace. */
export function translateService(
  name: string,
  instances: readonly ConsulInstance[],
  context: TranslateContext,
): ServiceFragment {
  const problems: RegistryProblem[] = []
  const usable = new Map<string, TranslatedInstance>()
  const revisions = new Map<string, number>()
  for (const consul of [...instances].sort(byPlace)) {
    if (name === ownService || proxyKinds.has(consul.kind)) continue
    const item = `${consul.node.name}/${consul.id}`
    const complain = (reason: string) => void problems.push({ item, reason: `service ${quoted(name)}: ${reason}` })
    if (consul.kind !== '') {
      complain(`instances of kind ${quoted(consul.kind)} are not known here`)
      continue
    }
    const { instance, reasons } = translateInstance(name, consul, context)
    for (const reason of reasons) complain(reason)
    if (instance === undefined) continue
    const { id } = instance.workload
    if (usable.has(id)) {
      complain('it is registered twice, the first one is used')
      continue
    }
    usable.set(id, instance)
    revisions.set(id, consul.modifyIndex)
  }
  const members = [...usable.values()]
  const services = [...Map.groupBy(members, member => member.workload.namespace)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([namespace, group]) => toService(name, namespace, group, problems))
  return { services, workloads: members.map(member => member.workload), problems, revisions }
}

/**
 * A service has one port, named after its protocol. Callers use the port that the instances name (`weft-port`), or
 * else the one they listen on; of several the most frequent one, so that a single odd instance or a rolling change does
 * not take the service away from its callers. Each endpoint keeps the port it really listens on.
 */
function toService(
  name: string,
  namespace: string,
  group: readonly TranslatedInstance[],
  problems: RegistryProblem[],
): readonly Service[] {
  const listening = group.filter(member => member.port !== undefined)
  const item = `${namespace}/${name}`
  const said = mostFrequent(listening.flatMap(member => member.servicePort ?? []))
  const real = mostFrequent(listening.flatMap(member => member.port ?? []))
  if (real === undefined) return []
  const port = (said ?? real).value
  const protocol = mostFrequent(listening.map(member => member.protocol ?? undeclaredProtocol(port)))
  if (protocol === undefined) return []
  if (said?.agreed === false) {
    problems.push({ item, reason: `its instances name different ports with weft-port: callers use ${said.value}` })
  }
  if (!protocol.agreed) {
    problems.push({ item, reason: `its instances name different protocols: ${protocol.value} is used` })
  }
  const endpoints = listening.map(
    ({ workload, port: own = 0 }): Endpoint => ({ workload: workload.id, ports: { [protocol.value]: own } }),
  )
  const ports = [{ name: protocol.value, port, protocol: protocol.value }]
  const addresses = commonVirtual(group.map(({ virtual }) => virtual))
  return [{ namespace, name, hosts: [], addresses, location: 'mesh', ports, endpoints }]
}

function byPlace(a: ConsulInstance, b: ConsulInstance): number {
  if (a.node.name !== b.node.name) return a.node.name < b.node.name ? -1 : 1
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}
