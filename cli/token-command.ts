import type { Command } from 'commander'
import type { TokenView } from '../server/api/routes-identity.ts'
import type { CliContext } from './context.ts'
import { parseDuration } from './duration.ts'
import { formatDuration, formatOutput, table } from './output.ts'

/** `weft token create|list|revoke`: what lets a host join. */
export function addTokenCommand(program: Command, context: CliContext): void {
  const token = program.command('token').description('make, list and revoke join tokens')

  context
    .withServer(token.command('create'))
    .description('make a join token: used once, bound to one node and to what it may become')
    .requiredOption('--node <name>', 'the node that may use it')
    .option('--identity <namespace/service-account>', 'an identity it may hold; repeat for more', collect, [])
    .option('--ttl <duration>', 'how long it can be used: 90s, 30m, 12h, 7d', '1h')
    .addHelpText(
      'after',
      '\nWithout --identity the node may hold the identities of the workloads that the files of a\nstatic registry place on it. The token is shown this once.',
    )
    .action(async (options: { node: string; identity: string[]; ttl: string }, command: Command) => {
      const body = { node: options.node, identities: options.identity, ttlMs: parseDuration(options.ttl) }
      const made = await context.client(command).post<TokenView & { token: string }>('/v1/tokens', JSON.stringify(body))
      context.print(formatOutput(context.format(command), made, () => made.token))
    })

  context
    .withServer(token.command('list'))
    .description('show the join tokens and what became of them')
    .action(async (_options: unknown, command: Command) => {
      const { tokens } = await context.client(command).get<{ tokens: TokenView[] }>('/v1/tokens')
      const rows = tokens.map(one => [
        one.id,
        one.node,
        one.identities.join(' ') || '(as declared)',
        one.state,
        one.state === 'usable' ? `in ${formatDuration(one.expiresAt - context.clock.now())}` : '-',
      ])
      const head = ['id', 'node', 'identities', 'state', 'expires']
      context.print(formatOutput(context.format(command), tokens, () => table(head, rows, 'no join tokens')))
    })

  context
    .withServer(token.command('revoke'))
    .description('make a join token useless; hosts that have joined with it stay')
    .argument('<id>', 'its id, as weft token list shows it')
    .action(async (id: string, _options: unknown, command: Command) => {
      await context.client(command).delete(`/v1/tokens/${encodeURIComponent(id)}`)
      context.print(formatOutput(context.format(command), { revoked: id }, () => `token ${id} is revoked`))
    })
}

function collect(value: string, before: string[]): string[] {
  return [...before, value]
}
