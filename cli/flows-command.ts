import type { Command } from 'commander'
import type { FlowView } from '../server/api/routes-flows.ts'
import type { CliContext } from './context.ts'
import { formatDuration, formatOutput, table } from './output.ts'

/** `weft flows`: which calls agents have seen. */
export function addFlowsCommand(program: Command, context: CliContext): void {
  context
    .withServer(program.command('flows'))
    .description('show which calls the agents have seen: who called what, and whether it was allowed')
    .option('--service <namespace/name>', 'only of this service')
    .action(async (options: { service?: string }, command: Command) => {
      const answer = await context.client(command).get<{ now: number; flows: readonly FlowView[] }>('/v1/flows')
      const flows = answer.flows.filter(({ service }) => options.service === undefined || service === options.service)
      const rows = flows.map(flow => [
        flow.caller === '' ? `plaintext from ${flow.network}` : flow.caller,
        `${flow.service}:${flow.port}`,
        flow.method === '' ? flow.protocol : `${flow.method} ${flow.path}`,
        flow.principal === '' ? '-' : flow.principal,
        flow.allowed ? 'allowed' : 'refused',
        String(flow.count),
        `${formatDuration(answer.now - flow.lastSeen)} ago`,
        flow.node,
      ])
      const head = ['caller', 'service', 'request', 'token', 'verdict', 'seen', 'last', 'node']
      context.print(formatOutput(context.format(command), flows, () => table(head, rows, 'no calls were seen yet')))
    })
}
