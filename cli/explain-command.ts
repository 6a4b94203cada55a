import type { Command } from 'commander'
import type { Explanation } from '../server/api/explain.ts'
import type { CliContext } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { formatOutput, table } from './output.ts'

interface ExplainOptions {
  readonly from: string
  readonly to: string
  readonly method?: string
  readonly path?: string
  readonly header: readonly string[]
  readonly tokenClaims?: string
  readonly sourceIp?: string
}

/** `weft explain`: whether a connection would be let through, by which endpoint, and why. */
export function addExplainCommand(program: Command, context: CliContext): void {
  context
    .withServer(program.command('explain'))
    .description(
      'say whether one workload reaches another, or what becomes of one request, by which rules and endpoints, and why; ' +
        'exits 1 when it does not get through',
    )
    .requiredOption(
      '--from <[namespace/]name>',
      'a workload or service account, or outside for a caller without a mesh',
    )
    .requiredOption('--to <service[.namespace][:port]>', 'the service that is called, or for a request any host')
    .option('--method <name>', 'of a request: GET when another option of a request is given')
    .option('--path <path>', 'of a request, with its query: / when another option of a request is given')
    .option(
      '--header <name: value>',
      'of a request; repeat for more. Its host is the service unless it is said',
      collect,
      [],
    )
    .option('--token-claims <json>', 'of a request: what its token says; it counts as verified')
    .option('--source-ip <address>', 'where the caller’s connection comes from: its own address when not said')
    .action(async (options: ExplainOptions, command: Command) => {
      const query = queryOf(options)
      const answer = await context.client(command).get<Explanation>(`/v1/explain?${query}`)
      context.print(formatOutput(context.format(command), answer, () => explanationText(options, answer)))
      if (answer.verdict === 'refused') process.exitCode = exitCodes.failed
    })
}

function queryOf({ from, to, method, path, header, tokenClaims, sourceIp }: ExplainOptions): URLSearchParams {
  const query = new URLSearchParams({ from, to })
  if (method !== undefined) query.set('method', method)
  if (path !== undefined) query.set('path', path)
  for (const one of header) query.append('header', one)
  if (tokenClaims !== undefined) query.set('token-claims', tokenClaims)
  if (sourceIp !== undefined) query.set('source-ip', sourceIp)
  return query
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

function explanationText(options: ExplainOptions, answer: Explanation): string {
  const steps = answer.steps.map(step => [markOf(step), step.what, step.detail])
  const endpoints = answer.endpoints.map(one => [
    one.usable ? 'ok' : 'NO',
    one.workload,
    one.address,
    one.transport,
    one.identity || '-',
    one.why,
  ])
  const priorities = new Map(
    answer.request?.destinations.flatMap(one => one.endpoints).map(({ address, priority }) => [address, priority]),
  )
  const head = ['', 'endpoint', 'address', 'transport', 'identity', 'why']
  const rows =
    priorities.size === 0 ? endpoints : endpoints.map(row => [...row, String(priorities.get(row[2] ?? '') ?? '')])
  return [
    table(['', 'step', 'found'], steps, ''),
    '',
    table(priorities.size === 0 ? head : [...head, 'priority'], rows, 'no endpoints are known here'),
    '',
    `${options.from} to ${options.to} ${verdictText(answer)}`,
  ].join('\n')
}

function markOf({ ok, passedOver }: Explanation['steps'][number]): string {
  if (passedOver === true) return '--'
  return ok ? 'ok' : 'NO'
}

function verdictText({ verdict, reason }: Explanation): string {
  if (verdict === 'refused') return `is refused: ${reason}`
  return reason === 'OK' ? 'is let through' : `is answered by the rule: ${reason}`
}
