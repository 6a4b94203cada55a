import type { Command } from 'commander'
import type { CliContext } from './context.ts'
import { formatOutput } from './output.ts'

/** `weft registries confirm`: lets a mass disappearance through that the server holds back. */
export function addRegistriesCommand(program: Command, context: CliContext): void {
  const registries = program.command('registries').description('decide on what a registry says')

  context
    .withServer(registries.command('confirm'))
    .description('believe a registry whose services or workloads disappeared at once; weft status shows what is held')
    .argument('<name>', 'its name, as weft status shows it')
    .action(async (name: string, _options: unknown, command: Command) => {
      const path = `/v1/registries/${encodeURIComponent(name)}/confirm`
      const answer = await context.client(command).post<{ confirmed: boolean }>(path, '')
      const said = () => (answer.confirmed ? `what ${name} says now is in use` : `nothing of ${name} was held back`)
      context.print(formatOutput(context.format(command), answer, said))
    })
}
