import type { Command } from 'commander'
import type { StatusView } from '../server/api/routes-status.ts'
import type { CliContext } from './context.ts'
import { formatOutput } from './output.ts'
import { statusText } from './status-text.ts'

/** `weft status`: every agent and every registry, and what is wrong with them. */
export function addStatusCommand(program: Command, context: CliContext): void {
  context
    .withServer(program.command('status'))
    .description('show agents and registries: connected or stale since, what was acknowledged or refused')
    .action(async (_options: unknown, command: Command) => {
      const status = await context.client(command).get<StatusView>('/v1/status')
      context.print(formatOutput(context.format(command), status, () => statusText(status)))
    })
}
