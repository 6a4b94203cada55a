import type { Command } from 'commander'
import type { Explanation } from '../server/api/explain.ts'
import type { CliContext } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { formatOutput, table } from './output.ts'

/** `weft explain`: whether a connection would be let through, by which endpoint, and why. */
export function addExplainCommand(program: Command, context: CliContext): void {
  context
    .withServer(program.command('explain'))
    .description('say whether one workload reaches another, by which endpoint, and why; exits 1 when it does not')
    .requiredOption(
      '--from <[namespace/]name>',
      'a workload or service account, or outside for a caller without a mesh',
    )
    .requiredOption('--to <service[.namespace][:port]>', 'the service that is called')
    .action(async (options: { from: string; to: string }, command: Command) => {
      const query = new URLSearchParams({ from: options.from, to: options.to })
      const answer = await context.client(command).get<Explanation>(`/v1/explain?${query}`)
      context.print(formatOutput(context.format(command), answer, () => explanationText(options, answer)))
      if (answer.verdict === 'refused') process.exitCode = exitCodes.failed
    })
}

function explanationText(options: { from: string; to: string }, answer: Explanation): string {
  const steps = answer.steps.map(step => [step.ok ? 'ok' : 'NO', step.what, step.detail])
  const endpoints = answer.endpoints.map(one => [
    one.usable ? 'ok' : 'NO',
    one.workload,
    one.address,
    one.transport,
    one.identity || '-',
    one.why,
  ])
  const verdict = answer.verdict === 'allowed' ? 'is let through' : `is refused: ${answer.reason}`
  return [
    table(['', 'step', 'found'], steps, ''),
    '',
    table(['', 'endpoint', 'address', 'transport', 'identity', 'why'], endpoints, 'the service has no endpoints'),
    '',
    `${options.from} to ${options.to} ${verdict}`,
  ].join('\n')
}
