import type { Command } from 'commander'
import type { IdentityView } from '../server/api/routes-bans.ts'
import type { Ban } from '../server/identity/ca-state.ts'
import type { Issued } from '../server/identity/issued.ts'
import type { CliContext } from './context.ts'
import { addIdentityExportCommand } from './identity-export-command.ts'
import { formatDuration, formatOutput, printable, table } from './output.ts'

interface LogOptions {
  readonly node?: string
  readonly identity?: string
  readonly limit: string
}

/** `weft identity list|log|ban|unban|bans|export`: who has which identity, what was issued, and who may not take part. */
export function addIdentityCommand(program: Command, context: CliContext): void {
  const identity = program
    .command('identity')
    .description('show identities and what was issued, ban them, and export them')
  addIdentityExportCommand(identity, context)

  context
    .withServer(identity.command('list'))
    .description('show which node has a valid certificate for which identity')
    .action(async (_options: unknown, command: Command) => {
      const { identities } = await context.client(command).get<{ identities: IdentityView[] }>('/v1/identities')
      const now = context.clock.now()
      const rows = identities.map(one => [
        one.identity,
        one.node === '' ? '(server)' : one.node,
        one.evidence,
        `in ${formatDuration(one.notAfter - now)}`,
        one.banned ? 'banned' : '',
      ])
      const head = ['identity', 'node', 'evidence', 'certificate ends', '']
      context.print(formatOutput(context.format(command), identities, () => table(head, rows, 'nothing was issued')))
    })

  context
    .withServer(identity.command('log'))
    .description('show which certificates were issued, newest first')
    .option('--node <name>', 'only to this node')
    .option('--identity <spiffe id>', 'only for this identity')
    .option('--limit <count>', 'at most so many', '100')
    .action(async (options: LogOptions, command: Command) => {
      const query = new URLSearchParams({ limit: options.limit })
      if (options.node !== undefined) query.set('node', options.node)
      if (options.identity !== undefined) query.set('identity', options.identity)
      const { issued } = await context.client(command).get<{ issued: Issued[] }>(`/v1/identities/log?${query}`)
      const rows = issued.map(one => [
        new Date(one.at).toISOString(),
        one.node === '' ? '(server)' : one.node,
        one.identity,
        one.evidence,
        one.serial,
      ])
      const head = ['issued', 'node', 'identity', 'evidence', 'serial']
      context.print(formatOutput(context.format(command), issued, () => table(head, rows, 'nothing was issued')))
    })

  context
    .withServer(identity.command('ban'))
    .description('cut a node, or the identity of a workload, off: connections, renewal, the channel to the server')
    .argument('<node or spiffe id>', 'a node by name, or an identity wherever it is')
    .option('--reason <text>', 'why; others will read it', '')
    .action(async (who: string, options: { reason: string }, command: Command) => {
      const body = JSON.stringify({ who, reason: options.reason })
      const ban = await context.client(command).post<Ban>('/v1/bans', body)
      const said = () => `${printable(ban.subject.name)} is banned; all agents are being told`
      context.print(formatOutput(context.format(command), ban, said))
    })

  context
    .withServer(identity.command('unban'))
    .description('let a node or an identity take part again')
    .argument('<node or spiffe id>', 'as weft identity bans shows it')
    .action(async (who: string, _options: unknown, command: Command) => {
      await context.client(command).delete(`/v1/bans/${encodeURIComponent(who)}`)
      context.print(formatOutput(context.format(command), { unbanned: who }, () => `${printable(who)} may take part`))
    })

  context
    .withServer(identity.command('bans'))
    .description('show who is banned, since when and why')
    .action(async (_options: unknown, command: Command) => {
      const { bans } = await context.client(command).get<{ bans: Ban[] }>('/v1/bans')
      const now = context.clock.now()
      const rows = bans.map(({ subject, at, reason }) => [
        subject.name,
        subject.kind,
        `${formatDuration(now - at)} ago`,
        reason === '' ? '-' : reason,
      ])
      const head = ['who', 'kind', 'banned', 'reason']
      context.print(formatOutput(context.format(command), bans, () => table(head, rows, 'nobody is banned')))
    })
}
