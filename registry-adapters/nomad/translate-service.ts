import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import type { Endpoint, Service, ServicePort } from '../../mesh/model/service.ts'
import { undeclaredProtocol } from '../../mesh/resources/port-protocol.ts'
import { mostFrequent } from '../most-frequent.ts'
import { quoted } from '../quoted.ts'
import type { TranslatedInstance } from './translate-instance.ts'

/** A service of the mesh, none when nobody listens, and what is wrong with it. */
export interface TranslatedService {
  readonly service?: Service
  readonly problems: readonly RegistryProblem[]
}

/**
 * Makes a service of everything registered under its name. It has one port, named after its protocol, whatever the
 * jobs call it; where an allocation registers several ports under the one name, ports are named after their labels.
 * Callers use the port that the instances name (`weft-port`), else the port inside where the jobs fix one (`to`),
 * else the one they listen on; of several the most frequent one. Each endpoint keeps the port it really listens on.
 */
export function translateService(
  namespace: string,
  name: string,
  members: readonly TranslatedInstance[],
): TranslatedService {
  const item = `${namespace}/${name}`
  const reasons: string[] = []
  const listening = members.filter(isListening).sort((a, b) => (a.workload.id < b.workload.id ? -1 : 1))
  const severalPorts = hasSeveralPorts(listening)
  const groups = Map.groupBy(listening, member => (severalPorts ? member.portLabel : ''))
  const ports: ServicePort[] = []
  const endpoints: Endpoint[] = []
  for (const [label, group] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const port = toPort(severalPorts ? portName(label) : undefined, group, reasons)
    if (port === undefined) continue
    const clash = ports.find(other => other.name === port.name || other.port === port.port)
    if (clash !== undefined) {
      reasons.push(`its ports ${quoted(clash.name)} and ${quoted(port.name)} are both ${port.port}: the first is used`)
      continue
    }
    ports.push(port)
    for (const member of group) endpoints.push({ workload: member.workload.id, ports: { [port.name]: member.port } })
  }
  const problems = reasons.map(reason => ({ item, reason }))
  if (ports.length === 0) return { problems }
  endpoints.sort((a, b) => (a.workload < b.workload ? -1 : 1))
  return { service: { namespace, name, hosts: [], addresses: [], location: 'mesh', ports, endpoints }, problems }
}

type Listening = TranslatedInstance & { readonly port: number }

function isListening(member: TranslatedInstance): member is Listening {
  return member.port !== undefined
}

function hasSeveralPorts(members: readonly Listening[]): boolean {
  const labels = new Map<string, string>()
  return members.some(({ allocId, portLabel }) => {
    const first = labels.get(allocId)
    if (first === undefined) labels.set(allocId, portLabel)
    return first !== undefined && first !== portLabel
  })
}

function toPort(name: string | undefined, group: readonly Listening[], reasons: string[]): ServicePort | undefined {
  const said = mostFrequent(group.flatMap(member => member.servicePort ?? []))
  const inside = mostFrequent(group.flatMap(member => member.inside ?? []))
  const real = mostFrequent(group.map(member => member.port))
  if (real === undefined) return undefined
  const port = (said ?? inside ?? real).value
  const protocol = mostFrequent(group.map(member => member.protocol ?? undeclaredProtocol(port)))
  if (protocol === undefined) return undefined
  if (said?.agreed === false) {
    reasons.push(`its instances name different ports with weft-port: callers use ${said.value}`)
  }
  if (!protocol.agreed) reasons.push(`its instances name different protocols: ${protocol.value} is used`)
  return { name: name ?? protocol.value, port, protocol: protocol.value }
}

/** Labels are letters, digits and underscores, or a literal port; names of ports are DNS labels. */
function portName(label: string): string {
  const name = label
    .toLowerCase()
    .replaceAll('_', '-')
    .replaceAll(/^-+|-+$/g, '')
  return name === '' ? 'port' : name
}
