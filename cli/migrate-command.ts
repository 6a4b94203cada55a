import { type Command, Option } from 'commander'
import { sleep } from '../mesh/std/clock.ts'
import { MeshError } from '../mesh/std/errors.ts'
import type { Migration, MigrationSide } from '../server/migrate.ts'
import type { CliContext } from './context.ts'
import { parseDuration } from './duration.ts'
import { formatOutput, formatPercent } from './output.ts'
import { parseServiceName, servicePath } from './service-name.ts'

interface MigrateOptions {
  readonly from: string
  readonly to: string
  readonly step?: number
  readonly toShare?: number
  readonly abort?: true
  readonly every?: number
}

/** `weft migrate`: moves a service's traffic from one registry to another, by weights. */
export function addMigrateCommand(program: Command, context: CliContext): void {
  context
    .withServer(program.command('migrate'))
    .description(
      'move a service from one registry to another: each call gives a share of its traffic to the other one’s endpoints',
    )
    .argument('<service[.namespace]>', 'the service, known to both registries')
    .requiredOption('--from <registry>', 'where its traffic goes now')
    .requiredOption('--to <registry>', 'where it shall go')
    .addOption(
      new Option('--step <percent>', 'how much of all traffic moves at a time; 10 when nothing is said')
        .argParser(text => percent(text, 1))
        .conflicts(['toShare', 'abort']),
    )
    .addOption(
      new Option('--to-share <percent>', 'how much the other one shall have, at once')
        .argParser(text => percent(text, 0))
        .conflicts(['step', 'abort', 'every']),
    )
    .addOption(new Option('--abort', 'give everything back to --from, at once').conflicts(['step', 'toShare', 'every']))
    .addOption(
      new Option(
        '--every <duration>',
        'go on with a step each 30s, 5m, … until all has moved; ends with an error, and leaves things as they are, when the other one loses healthy endpoints',
      ).argParser(parseDuration),
    )
    .action(async (text: string, options: MigrateOptions, command: Command) => {
      const path = `${servicePath(parseServiceName(text))}/migrate`
      const client = context.client(command)
      const format = context.format(command)
      const { from, to, every } = options
      const move = moveOf(options)
      let atLeastHealthy: number | undefined
      while (true) {
        const body = JSON.stringify({ from, to, ...move, ...(atLeastHealthy !== undefined && { atLeastHealthy }) })
        const done = await client.post<Migration>(path, body)
        context.print(formatOutput(format, done, () => migrationText(done)))
        if (every === undefined || done.from.after === 0) return
        atLeastHealthy = done.to.healthy
        await sleep(context.clock, every, new AbortController().signal)
      }
    })
}

function moveOf({ step = 10, toShare, abort }: MigrateOptions): { readonly step: number } | { readonly share: number } {
  if (abort === true) return { share: 0 }
  return toShare === undefined ? { step } : { share: toShare }
}

function migrationText({ service, from, to, rule, changed }: Migration): string {
  const sides = `${sideText(from)}, ${sideText(to)}`
  const all = to.after === 100 ? `\nall of it goes to ${to.registry} now` : `\n${from.registry} has no share left`
  if (!changed) return `${service}: nothing to move: ${sides}`
  return `${service}: ${sides}\n  by ${rule}${from.after === 0 ? all : ''}`
}

function sideText({ registry, before, after, healthy, endpoints }: MigrationSide): string {
  const share = before === after ? formatPercent(after) : `${formatPercent(before)} -> ${formatPercent(after)}`
  return `${registry} ${share} (${healthy} of ${endpoints} healthy)`
}

function percent(text: string, least: number): number {
  const value = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= 100) return value
  throw new MeshError('WEFT_USAGE', `${text} is no share`, { next: `write a whole number from ${least} to 100` })
}
