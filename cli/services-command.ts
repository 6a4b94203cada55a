import type { Command } from 'commander'
import type { ServiceDetails, ServiceView } from '../server/api/routes-services.ts'
import type { CliContext } from './context.ts'
import { formatOutput, table } from './output.ts'
import { parseServiceName, servicePath } from './service-name.ts'
import { serviceText } from './service-text.ts'

/** `weft services`: the catalogue, merged from all registries. */
export function addServicesCommand(program: Command, context: CliContext): void {
  context
    .withServer(program.command('services'))
    .description(
      'show every service: its virtual IP, ports, endpoints and where it is known from; or one, or with -o wide all, with every endpoint, its share of the traffic and its health',
    )
    .argument('[service[.namespace]]', 'only this one, in detail')
    .action(async (name: string | undefined, _options: unknown, command: Command) => {
      const client = context.client(command)
      const format = context.format(command)
      if (name === undefined && format !== 'wide') {
        const { services } = await client.get<{ services: ServiceView[] }>('/v1/services')
        return context.print(formatOutput(format, services, () => serviceTable(services)))
      }
      const path = name === undefined ? '/v1/services?detail=true' : servicePath(parseServiceName(name))
      const { services, now } = await client.get<ServiceDetails>(path)
      const text = () => services.map(service => serviceText(service, now)).join('\n\n') || 'no services'
      context.print(formatOutput(format, services, text))
    })
}

function serviceTable(services: readonly ServiceView[]): string {
  const rows = services.map(one => [
    one.namespace,
    one.name,
    one.virtualIps[0] ?? '-',
    one.ports.map(port => `${port.port}/${port.protocol}`).join(' '),
    `${one.healthy}/${one.endpoints}`,
    one.location,
    one.registries.join(' '),
  ])
  const head = ['namespace', 'service', 'virtual ip', 'ports', 'healthy', 'location', 'registries']
  return table(head, rows, 'no services')
}
