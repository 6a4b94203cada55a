import type { Command } from 'commander'
import { stringify } from 'yaml'
import { formatFinding } from '../mesh/analyze/finding-view.ts'
import { parseResources } from '../mesh/resources/parse.ts'
import { problemsError } from '../mesh/resources/problem.ts'
import { describeResource, resourceSchemas } from '../mesh/resources/resource.ts'
import { didYouMean } from '../mesh/std/did-you-mean.ts'
import { MeshError } from '../mesh/std/errors.ts'
import type { ApplyResult } from '../server/resources.ts'
import type { CliContext } from './context.ts'
import { formatOutput, printable, table } from './output.ts'
import { refuseCuts } from './plan-command.ts'
import { readText } from './read-text.ts'

interface ListedResource {
  readonly version: number
  readonly createdAt: number
  readonly document: {
    readonly kind: string
    readonly metadata: {
      readonly name: string
      readonly namespace?: string
      readonly resourceVersion?: string | undefined
    }
  }
}

/** `weft apply`, `weft get` and `weft delete`: operators' resources. */
export function addResourceCommands(program: Command, context: CliContext): void {
  context
    .withServer(program.command('apply'))
    .description('create or update the resources of a file; all of them or none')
    .requiredOption('-f, --file <path>', 'YAML or JSON, - for standard input')
    .option('--dry-run', 'only say what would be done')
    .option('--yes', 'also when callers that were seen would be cut off')
    .option('--force', 'overwrite what somebody else has written since weft get -o yaml')
    .action(async (options: { file: string; dryRun?: true; force?: true; yes?: true }, command: Command) => {
      const query = new URLSearchParams({ file: options.file, dryRun: String(options.dryRun === true) })
      if (options.force === true) query.set('force', 'true')
      const text = readText(options.file)
      const client = context.client(command)
      const isSure = options.yes === true || options.dryRun === true
      await refuseCuts(client, { text, file: options.file, deleted: [] }, isSure)
      const result = await client.post<Pick<ApplyResult, 'applied'> & Partial<ApplyResult>>(
        `/v1/resources?${query}`,
        text,
      )
      const would = options.dryRun === true ? ' (dry run)' : ''
      const lines = () => [
        ...result.applied.map(one => `${one.kind} ${one.namespace}/${one.name} ${one.change}${would}`),
        // a server of before the warnings has none
        ...(result.warnings ?? []).map(warning => printable(formatFinding(warning))),
      ]
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
      if (kind !== undefined) query.set('kind', knownKind(kind))
      if (name !== undefined) query.set('name', name)
      if (options.namespace !== undefined) query.set('namespace', options.namespace)
      const { resources } = await context.client(command).get<{ resources: ListedResource[] }>(`/v1/resources?${query}`)
      if (name !== undefined && resources.length === 0) {
        throw new MeshError('WEFT_NOT_FOUND', `there is no ${kind} called ${name}`)
      }
      const documents = resources.map(withVersion)
      // a stream of documents, as weft apply takes it
      if (context.format(command) === 'yaml' && documents.length > 0) {
        return context.print(
          documents
            .map(one => stringify(one))
            .join('---\n')
            .trimEnd(),
        )
      }
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
    .description('delete the resources that a file names; all of them or, when one does not exist, none')
    .requiredOption('-f, --file <path>', 'YAML or JSON, - for standard input')
    .option('--yes', 'also when callers that were seen would be cut off')
    .action(async (options: { file: string; yes?: true }, command: Command) => {
      const { resources, problems } = parseResources(readText(options.file), options.file)
      if (problems.length > 0) throw problemsError(problems)
      const client = context.client(command)
      const { resources: listed } = await client.get<{ resources: ListedResource[] }>('/v1/resources')
      const there = new Set(listed.map(({ document }) => pathOf(document)))
      const missing = resources.find(resource => !there.has(pathOf(resource)))
      if (missing !== undefined) {
        throw new MeshError('WEFT_NOT_FOUND', `there is no ${describeResource(missing)}`, {
          next: 'weft get shows what there is; nothing was deleted',
        })
      }
      const gone = resources.map(({ kind, metadata: { namespace, name } }) => `${kind}/${namespace}/${name}`)
      await refuseCuts(client, { text: '', file: options.file, deleted: gone }, options.yes === true)
      for (const resource of resources) await client.delete(`/v1/resources/${pathOf(resource)}`)
      const deleted = resources.map(({ kind, metadata: { namespace, name } }) => ({ kind, namespace, name }))
      const lines = () => resources.map(resource => `${describeResource(resource)} deleted`).join('\n')
      context.print(formatOutput(context.format(command), { deleted }, lines))
    })
}

/** The document with the version that `weft apply` sends back, so that nobody else's change is overwritten. */
function withVersion({ document, version }: ListedResource): ListedResource['document'] {
  return { ...document, metadata: { ...document.metadata, resourceVersion: String(version) } }
}

function pathOf({ kind, metadata }: ListedResource['document']): string {
  return [kind, metadata.namespace ?? 'default', metadata.name].map(encodeURIComponent).join('/')
}

/** The kind in its own spelling; throws WEFT_USAGE. */
function knownKind(text: string): string {
  const kinds = Object.keys(resourceSchemas)
  const kind = kinds.find(one => one.toLowerCase() === text.toLowerCase())
  if (kind !== undefined) return kind
  const meant = didYouMean(text, kinds)
  const hint = meant === undefined ? `the kinds are ${kinds.join(', ')}` : `did you mean ${meant}?`
  throw new MeshError('WEFT_USAGE', `${text} is no kind of resource`, { next: hint })
}
