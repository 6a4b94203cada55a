import type { Command } from 'commander'
import type { StatusView } from '../server/api/routes-status.ts'
import type { CliContext } from './context.ts'
import { formatDuration, formatOutput, table } from './output.ts'

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

function statusText(status: StatusView): string {
  const since = (at: number) => formatDuration(status.now - at)
  const agents = status.agents.map(agent => [
    agent.node,
    agent.state === 'never'
      ? 'never seen'
      : `${agent.state} ${agent.state === 'stale' ? 'since ' : ''}${since(agent.since)}`,
    agent.transport ?? '-',
    agent.rejected.length > 0 ? 'nacked' : agent.answeredVersion >= agent.configVersion ? 'acked' : 'pending',
    agent.certificateExpiresAt === undefined ? '-' : `in ${formatDuration(agent.certificateExpiresAt - status.now)}`,
  ])
  const registries = status.registries.map(registry => [
    registry.name,
    registry.kind,
    `${registry.state} ${registry.state === 'stale' ? 'since ' : ''}${since(registry.since)}`,
    String(registry.services),
    String(registry.workloads),
  ])
  const notes = [
    ...status.agents.flatMap(agent =>
      agent.rejected.map(one => `agent ${agent.node} does not take ${one.name}: ${one.reason}`),
    ),
    ...status.agents.filter(agent => agent.banned).map(agent => `agent ${agent.node} is banned`),
    ...status.registries.flatMap(registry => [
      ...(registry.reason === undefined ? [] : [`registry ${registry.name}: ${registry.reason}`]),
      ...(registry.held === undefined
        ? []
        : [
            `registry ${registry.name}: ${registry.held.workloads} workloads and ${registry.held.services} services disappeared at once; they stay in use for ${formatDuration(registry.held.until - status.now)} more`,
          ]),
      ...registry.problems.map(one => `registry ${registry.name}: ${one.item}: ${one.reason}`),
    ]),
    ...status.problems.map(one => `${one.item}: ${one.reason}`),
  ]
  return [
    `server ${status.server}, trust domain ${status.trustDomain}, version ${status.version}`,
    '',
    table(['agent', 'state', 'channel', 'config', 'certificate ends'], agents, 'no agent has joined'),
    '',
    table(['registry', 'kind', 'state', 'services', 'workloads'], registries, 'no registry is configured'),
    ...(notes.length === 0 ? [] : ['', ...[...new Set(notes)].map(note => `! ${note}`)]),
  ].join('\n')
}
