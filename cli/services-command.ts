import type { Command } from 'commander'
import type { ServiceView } from '../server/api/routes-status.ts'
import type { CliContext } from './context.ts'
import { formatOutput, table } from './output.ts'

/** `weft services`: the catalogue, merged from all registries. */
export function addServicesCommand(program: Command, context: CliContext): void {
  context
    .withServer(program.command('services'))
    .description('show every service: its virtual IP, ports, endpoints and where it is known from')
    .action(async (_options: unknown, command: Command) => {
      const { services } = await context.client(command).get<{ services: ServiceView[] }>('/v1/services')
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
      context.print(formatOutput(context.format(command), services, () => table(head, rows, 'no services')))
    })
}
