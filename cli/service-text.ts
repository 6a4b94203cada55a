import type { EndpointDetail, ServiceDetail } from '../server/service-detail.ts'
import { formatDuration, formatPercent, printable, table } from './output.ts'

/**
 * A service for people: what it is, whose word counts, how the traffic is shared, every endpoint, and below them a line
 * for everything that wants attention. `now` is the server's clock.
 */
export function serviceText(service: ServiceDetail, now: number): string {
  const { namespace, name, ports, hosts, virtualIps, registries, endpoints } = service
  const head = [
    `${namespace}/${name}`,
    ports.map(port => `${port.port}/${port.protocol}`).join(' '),
    ...(service.location === 'external' ? ['external'] : []),
    virtualIps.join(' '),
  ]
  const shares = registries.map(one => {
    const held = endpoints.filter(endpoint => endpoint.held && endpoint.registry === one.registry).length
    return [
      one.registry,
      formatPercent(one.share),
      `${one.healthy} of ${one.endpoints}${held === 0 ? '' : `, ${held} held`}`,
      one.disagreement === undefined ? '' : `not in use: ${one.disagreement}`,
    ]
  })
  const rows = endpoints.map(one => [
    one.registry,
    shortId(one),
    one.addresses.join(' ') || '-',
    one.node ?? '-',
    one.used ? formatPercent(one.share) : 'unused',
    one.health,
    one.healthFrom === one.registry ? 'registry' : one.healthFrom,
    formatDuration(now - one.healthSince),
    formatDuration(now - one.since),
  ])
  const notes = endpoints.flatMap(one => endpointNotes(one, now))
  return [
    printable(head.filter(part => part !== '').join('  ')),
    ...(hosts.length === 0 ? [] : [printable(`also ${hosts.join(' ')}`)]),
    ...(registries.length > 1 ? [printable(`rule ${service.rule}, from ${service.ruleFrom}`)] : []),
    '',
    table(['registry', 'share', 'healthy', ''], shares, 'no registry knows it any more'),
    '',
    table(endpointHead, rows, 'it has no endpoint'),
    ...(notes.length === 0 ? [] : ['', ...notes.map(note => `! ${printable(note)}`)]),
  ].join('\n')
}

const endpointHead = ['registry', 'workload', 'address', 'node', 'share', 'health', 'told by', 'for', 'age']

/**
 * Ids begin with their registry, which has a column of its own. Of UUIDs the first group is enough to tell them apart,
 * as in Nomad's own command line; the notes and other formats have them whole.
 */
function shortId({ workload, registry }: EndpointDetail): string {
  const name = workload.startsWith(`${registry}/`) ? workload.slice(registry.length + 1) : workload
  return name.replace(/\b([0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, '$1')
}

function endpointNotes(endpoint: EndpointDetail, now: number): readonly string[] {
  const { workload, health, healthReason, healthSince, held, registry } = endpoint
  return [
    ...(healthReason === undefined
      ? []
      : [`${workload} is ${health} for ${formatDuration(now - healthSince)}: ${healthReason}`]),
    ...(held ? [`${workload} has vanished from ${registry} and is kept until that is confirmed`] : []),
  ]
}
