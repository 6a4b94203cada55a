import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { stringify } from 'yaml'
import { parseResources } from '../mesh/resources/parse.ts'
import { MeshError } from '../mesh/std/errors.ts'
import type { ApplyResult } from '../server/resources.ts'
import type { CliContext } from './context.ts'
import { formatOutput, table } from './output.ts'

interface ListedResource {
  readonly version: number
  readonly createdAt: number
  readonly document: {
    readonly kind: string
    readonly metadata: { readonly name: string; readonly namespace?: string }
  }
}

/** `weft apply`, `weft get` and `weft delete`: operators' resources. */
export function addResourceCommands(program: Command, context: CliContext): void {
  context
    .withServer(program.command('apply'))
    .description('create or update the resources of a file; all of them or none')
    .requiredOption('-f, --file <path>', 'YAML or JSON, - for standard input')
    .option('--dry-run', 'only say what would be done')
    .action(async (options: { file: string; dryRun?: true }, command: Command) => {
      const query = new URLSearchParams({ file: options.file, dryRun: String(options.dryRun === true) })
      const text = readText(options.file)
      const result = await context.client(command).post<ApplyResult>(`/v1/resources?${query}`, text)
      const would = options.dryRun === true ? ' (dry run)' : ''
      const lines = () => result.applied.map(one => `${one.kind} ${one.namespace}/${one.name} ${one.change}${would}`)
      context.print(formatOutput(context.format(command), result, () => lines().join('\n')))
    })

  context
    .withServer(program.command('get'))
    .description('show applied resources')
    .argument('[kind]', 'for example PeerAuthentication; all kinds when left out')
    .argument('[name]')
    .option('-n, --namespace <namespace>', 'only of this namespace')
    .action(async (kind: string | undefined, name: string | undefined, options: { namespace?: string }, command) => {
      const query = new URLSearchParams()
      if (kind !== undefined) query.set('kind', kind)
      if (name !== undefined) query.set('name', name)
      if (options.namespace !== undefined) query.set('namespace', options.namespace)
      const { resources } = await context.client(command).get<{ resources: ListedResource[] }>(`/v1/resources?${query}`)
      const documents = resources.map(one => one.document)
      if (context.format(command) === 'yaml')
        return context.print(
          documents
            .map(one => stringify(one))
            .join('---\n')
            .trimEnd(),
        )
      const rows = resources.map(one => [
        one.document.kind,
        one.document.metadata.namespace ?? 'default',
        one.document.metadata.name,
        String(one.version),
        new Date(one.createdAt).toISOString(),
      ])
      const head = ['kind', 'namespace', 'name', 'version', 'created']
      context.print(formatOutput(context.format(command), documents, () => table(head, rows, 'no resources')))
    })

  context
    .withServer(program.command('delete'))
    .description('delete the resources that a file names')
    .requiredOption('-f, --file <path>', 'YAML or JSON, - for standard input')
    .action(async (options: { file: string }, command: Command) => {
      const { resources, problems } = parseResources(readText(options.file), options.file)
      if (problems.length > 0) {
        throw new MeshError('WEFT_RESOURCE_INVALID', problems.map(problem => problem.message).join('; '))
      }
      for (const { kind, metadata } of resources) {
        const path = [kind, metadata.namespace, metadata.name].map(encodeURIComponent).join('/')
        await context.client(command).delete(`/v1/resources/${path}`)
        context.print(`${kind} ${metadata.namespace}/${metadata.name} deleted`)
      }
    })
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (cause) {
    throw new MeshError('WEFT_USAGE', `${file} cannot be read`, { cause, next: 'check the path' })
  }
}
