import type { Command } from 'commander'
import { MeshError } from '../mesh/std/errors.ts'
import type { Plan } from '../server/flows/plan.ts'
import type { ApiClient } from './api-client.ts'
import type { CliContext } from './context.ts'
import { formatOutput } from './output.ts'
import { effectLine, planText } from './plan-text.ts'
import { readText } from './read-text.ts'

/** A change of resources that was not made yet. */
export interface PlannedChange {
  readonly text: string
  readonly file: string
  /** `Kind/namespace/name` each. */
  readonly deleted: readonly string[]
}

interface PlanOptions {
  readonly file?: string
  readonly delete: readonly string[]
}

/** Callers that an error names. */
const maxNamed = 20

/** `weft plan`: what a change of policies would do to the callers that were really seen. */
export function addPlanCommand(program: Command, context: CliContext): void {
  context
    .withServer(program.command('plan'))
    .description('say which of the callers that were seen a change would cut off or let in; nothing is changed')
    .option('-f, --file <path>', 'the resources as they would be, YAML or JSON, - for standard input')
    .option('--delete <kind/namespace/name>', 'a resource that would be deleted; repeat for more', collect, [])
    .action(async (options: PlanOptions, command: Command) => {
      if (options.file === undefined && options.delete.length === 0) {
        throw new MeshError('WEFT_USAGE', 'there is no change to plan', {
          next: 'name a file with -f, or use --delete',
        })
      }
      const text = options.file === undefined ? '' : readText(options.file)
      const change = { text, file: options.file ?? '', deleted: options.delete.map(checkName) }
      const plan = await askPlan(context.client(command), change)
      context.print(formatOutput(context.format(command), plan, () => planText(plan)))
    })
}

/**
 * Asks what a change would do before it is made. Throws WEFT_CUTS_CALLERS naming the callers that were seen and would be
 * cut off, unless `yes`. A server that is older than plans is not asked.
 */
export async function refuseCuts(client: ApiClient, change: PlannedChange, yes: boolean): Promise<void> {
  if (yes) return
  const plan = await askPlan(client, change).catch((error: unknown) => {
    if (error instanceof MeshError && error.code === 'WEFT_NOT_FOUND') return undefined
    throw error
  })
  if (plan === undefined || plan.cutOff.length === 0) return
  const callers = new Set(plan.cutOff.map(({ caller, networks }) => (caller === '' ? networks.join() : caller)))
  const lines = plan.cutOff.slice(0, maxNamed).map(effect => effectLine(effect, plan.now))
  const count = `${callers.size} ${callers.size === 1 ? 'caller that was' : 'callers that were'} seen would be cut off`
  // the first of the problems is the message itself
  throw new MeshError('WEFT_CUTS_CALLERS', count, { fields: { problems: [count, ...lines] } })
}

function askPlan(client: ApiClient, change: PlannedChange): Promise<Plan> {
  return client.post<Plan>('/v1/plan', JSON.stringify(change))
}

function checkName(text: string): string {
  if (/^[A-Za-z]+\/[^/]+\/[^/]+$/.test(text)) return text
  throw new MeshError('WEFT_USAGE', `${text} names no resource`, { next: 'write it as kind/namespace/name' })
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}
