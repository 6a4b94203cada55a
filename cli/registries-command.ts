import type { Command } from 'commander'
import type { StatusView } from '../server/api/routes-status.ts'
import type { CliContext } from './context.ts'
import { formatOutput } from './output.ts'
import { registriesText } from './registries-text.ts'

/** `weft registries`: how every registry is, and believing one whose word is held back. */
export function addRegistriesCommand(program: Command, context: CliContext): void {
  const registries = program.command('registries').description('show registries, and decide on what one says')

  context
    .withServer(registries.command('list', { isDefault: true }))
    .description(
      'show every registry: since when it is in touch, how old its last good view is, what is held back and why, what was left out; the same as weft registries alone',
    )
    .action(async (_options: unknown, command: Command) => {
      const { registries: all, now } = await context.client(command).get<StatusView>('/v1/status')
      context.print(formatOutput(context.format(command), all, () => registriesText(all, now)))
    })

  context
    .withServer(registries.command('confirm'))
    .description(
      'believe a registry whose services or workloads disappeared at once; weft registries shows what is held',
    )
    .argument('<name>', 'its name, as weft registries shows it')
    .action(async (name: string, _options: unknown, command: Command) => {
      const path = `/v1/registries/${encodeURIComponent(name)}/confirm`
      const answer = await context.client(command).post<{ confirmed: boolean }>(path, '')
      const said = () => (answer.confirmed ? `what ${name} says now is in use` : `nothing of ${name} was held back`)
      context.print(formatOutput(context.format(command), answer, said))
    })
}
