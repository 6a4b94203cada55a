import type { Command } from 'commander'
import type { AuditEntry } from '../server/audit/audit-entry.ts'
import type { CliContext } from './context.ts'
import { parseDuration } from './duration.ts'
import { formatOutput, table } from './output.ts'

interface AuditOptions {
  readonly since?: string
  readonly who?: string
  readonly kind?: string
  readonly limit?: string
}

/** `weft audit`: who has changed what, and who was not let. */
export function addAuditCommand(program: Command, context: CliContext): void {
  context
    .withServer(program.command('audit'))
    .description('show who has written what and when, and what was refused; what it was before and after with -o json')
    .option('--since <duration>', 'of the last 30m, 12h, 7d; everything that is kept when left out')
    .option('--who <text>', 'only of whose name has this in it')
    .option('--kind <kind>', 'only writes of this kind: AuthorizationPolicy, ApiToken, JoinToken')
    .option('--limit <number>', 'the newest so many, 10000 at most (default 200)')
    .action(async ({ since, who, kind, limit }: AuditOptions, command: Command) => {
      const query = new URLSearchParams()
      if (since !== undefined) query.set('since', String(Math.max(0, context.clock.now() - parseDuration(since))))
      if (who !== undefined) query.set('who', who)
      if (kind !== undefined) query.set('kind', kind)
      if (limit !== undefined) query.set('limit', limit)
      const { entries } = await context.client(command).get<{ entries: AuditEntry[] }>(`/v1/audit?${query}`)
      const rows = entries.map(({ at, who, from, action, outcome, change }) => [
        new Date(at).toISOString(),
        who,
        from,
        action,
        outcome,
        change?.what ?? '-',
        verb(change),
      ])
      const head = ['when', 'who', 'from', 'action', 'outcome', 'what', 'change']
      context.print(formatOutput(context.format(command), entries, () => table(head, rows, 'no entries')))
    })
}

function verb(change: AuditEntry['change']): string {
  if (change === undefined) return '-'
  if (change.before === undefined) return change.after === undefined ? '-' : 'created'
  return change.after === undefined ? 'deleted' : 'updated'
}
