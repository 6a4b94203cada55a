import type { Command } from 'commander'
import { MeshError } from '../mesh/std/errors.ts'
import type { CliContext } from './context.ts'
import { formatOutput } from './output.ts'

interface MaintainOptions {
  readonly reason?: string
  readonly off?: boolean
}

/** `weft maintain`: takes a registered workload out of service, or back in. */
export function addMaintainCommand(program: Command, context: CliContext): void {
  context
    .withAgent(program.command('maintain'))
    .description('take a registered workload of this host out of service: what is open goes on, nothing new comes')
    .argument('<name>', 'its name, as weft register --list shows it')
    .option('--reason <text>', 'why, for those who look at it')
    .option('--off', 'put it back into service')
    .action(async (name: string, options: MaintainOptions, command: Command) => {
      const off = options.off === true
      if (off && options.reason !== undefined) throw new MeshError('WEFT_USAGE', '--off takes no --reason')
      const reason = off ? '' : options.reason?.trim() || 'maintenance'
      const agent = await context.agent(command)
      const changed = await agent.post<{ name: string }>('/maintain', JSON.stringify({ name, reason }))
      const said = () => `${changed.name} is ${off ? 'back in' : 'out of'} service`
      context.print(formatOutput(context.format(command), changed, said))
    })
}
