import type { Command } from 'commander'
import type { CliContext } from './context.ts'
import { formatOutput } from './output.ts'

/** `weft deregister`: takes a registration of this host back. */
export function addDeregisterCommand(program: Command, context: CliContext): void {
  context
    .withAgent(program.command('deregister'))
    .description('take a registration of this host back: nothing new is sent there')
    .argument('<name>', 'its name, as weft register --list shows it')
    .action(async (name: string, _options: unknown, command: Command) => {
      const agent = await context.agent(command)
      const gone = await agent.post<{ name: string }>('/deregister', JSON.stringify({ name }))
      context.print(formatOutput(context.format(command), gone, () => `${gone.name} is not registered here any more`))
    })
}
