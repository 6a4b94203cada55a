import type { Command } from 'commander'
import type { ApiTokenView } from '../server/api/routes-operators.ts'
import type { CliContext } from './context.ts'
import { parseDuration } from './duration.ts'
import { formatDuration, formatOutput, table } from './output.ts'

interface CreateOptions {
  readonly name: string
  readonly role: string[]
  readonly namespace?: string
  readonly ttl: string
}

/** `weft api-token create|list|revoke`: who may change the mesh. */
export function addApiTokenCommand(program: Command, context: CliContext): void {
  const token = program.command('api-token').description('make, list and revoke tokens of operators')

  context
    .withServer(token.command('create'))
    .description('make a token for an operator, or for a program that acts as one')
    .requiredOption('--name <name>', 'whose it is, as the audit log says')
    .requiredOption(
      '--role <role>',
      'admin, operator or auditor, or one of a namespace: operator:shop; repeat for more',
      collect,
      [],
    )
    .option('-n, --namespace <namespace>', 'where the roles without a namespace hold; the whole mesh when left out')
    .option('--ttl <duration>', 'how long it can be used: 12h, 30d, at most 366d', '90d')
    .addHelpText('after', '\nThe token is shown this once.')
    .action(async ({ name, role, namespace, ttl }: CreateOptions, command: Command) => {
      const roles = role.map(one => (namespace === undefined || one.includes(':') ? one : `${one}:${namespace}`))
      const body = JSON.stringify({ name, roles, ttlMs: parseDuration(ttl) })
      const made = await context.client(command).post<ApiTokenView & { token: string }>('/v1/api-tokens', body)
      context.print(formatOutput(context.format(command), made, () => made.token))
    })

  context
    .withServer(token.command('list'))
    .description('show the tokens of operators')
    .action(async (_options: unknown, command: Command) => {
      const { tokens } = await context.client(command).get<{ tokens: ApiTokenView[] }>('/v1/api-tokens')
      const rows = tokens.map(({ id, name, roles, state, expiresAt }) => [
        id,
        name,
        roles.join(' '),
        state,
        expiry(expiresAt),
      ])
      const head = ['id', 'name', 'roles', 'state', 'expires']
      context.print(formatOutput(context.format(command), tokens, () => table(head, rows, 'no API tokens')))
    })

  context
    .withServer(token.command('revoke'))
    .description('make a token useless at once')
    .argument('<id>', 'its id, as weft api-token list shows it')
    .action(async (id: string, _options: unknown, command: Command) => {
      await context.client(command).delete(`/v1/api-tokens/${encodeURIComponent(id)}`)
      context.print(formatOutput(context.format(command), { revoked: id }, () => `API token ${id} is revoked`))
    })

  function expiry(at: number | undefined): string {
    if (at === undefined) return 'never'
    const left = at - context.clock.now()
    return left > 0 ? `in ${formatDuration(left)}` : '-'
  }
}

function collect(value: string, before: string[]): string[] {
  return [...before, value]
}
