import type { Command } from 'commander'
import { analyze } from '../mesh/analyze/analyze.ts'
import { type FindingView, type PlacedFinding, placedView } from '../mesh/analyze/finding-view.ts'
import { parseSources } from '../mesh/resources/parse.ts'
import type { ProblemReason, ResourceProblem } from '../mesh/resources/problem.ts'
import { describeResource } from '../mesh/resources/resource.ts'
import type { CliContext } from './context.ts'
import { exitCodes } from './exit-codes.ts'
import { formatOutput, table } from './output.ts'
import { readText } from './read-text.ts'

/** What is wrong with a document alone, as a finding. */
interface DocumentFinding extends Omit<PlacedFinding, 'code' | 'resource'> {
  readonly code: ProblemReason
}

type Shown = FindingView | PlacedFinding | DocumentFinding

interface AnalyzeOptions {
  readonly file?: readonly string[]
  readonly rootNamespace: string
  readonly domain: string
}

/** `weft analyze`: what resources say together that nobody can mean. */
export function addAnalyzeCommand(program: Command, context: CliContext): void {
  context
    .withServer(program.command('analyze'))
    .description(
      'find names that lead nowhere, rules that are never reached and the like; exits 1 when there are errors',
    )
    .option('-f, --file <path...>', 'judge these files alone, without a server; - for standard input')
    .option('--root-namespace <namespace>', 'with -f: the namespace that holds for the whole mesh', 'weft-system')
    .option('--domain <domain>', 'with -f: what follows <name>.<namespace>. in names of services', 'mesh')
    .action(async (options: AnalyzeOptions, command: Command) => {
      const { file: files } = options
      const now = context.clock.now()
      const findings =
        files === undefined
          ? (await context.client(command).get<{ findings: FindingView[] }>('/v1/findings')).findings
          : ofFiles(files, options, now)
      context.print(formatOutput(context.format(command), { findings }, () => findingsTable(findings)))
      if (findings.some(({ severity }) => severity === 'error')) process.exitCode = exitCodes.failed
    })
}

function ofFiles(files: readonly string[], { rootNamespace, domain }: AnalyzeOptions, now: number): Shown[] {
  const parsed = files.map(file => parseSources(readText(file), file))
  const sourced = parsed.flatMap(({ resources }) => resources)
  const sources = new Map(sourced.map(({ resource, source }) => [resource, source]))
  const repeated = sourced.filter(({ resource }, index) => {
    const name = describeResource(resource)
    return sourced.slice(0, index).some(earlier => describeResource(earlier.resource) === name)
  })
  const resources = sourced.filter(one => !repeated.includes(one)).map(({ resource }) => resource)
  return [
    ...parsed.flatMap(({ problems }) => problems.map(ofProblem)),
    ...repeated.map(({ resource, source }): DocumentFinding => {
      const { line, column } = source.locate(['metadata', 'name'])
      const message = `${describeResource(resource)} is written twice`
      return { severity: 'error', code: 'invalid', file: source.file, line, column, path: 'metadata.name', message }
    }),
    ...analyze({ resources, rootNamespace, domain, now }).flatMap(finding => {
      const source = sources.get(finding.resource)
      return source === undefined ? [] : [placedView(finding, source)]
    }),
  ]
}

function ofProblem({ reason, file, line, column, path, message, didYouMean }: ResourceProblem): DocumentFinding {
  const hint = didYouMean === undefined ? {} : { didYouMean }
  return { severity: 'error', code: reason, file, line, column, path, message, ...hint }
}

function findingsTable(findings: readonly Shown[]): string {
  const rows = findings.map(finding => {
    const where = 'file' in finding ? `${finding.file}:${finding.line}:${finding.column}` : finding.resource
    const hint = finding.didYouMean === undefined ? '' : `, did you mean ${finding.didYouMean}?`
    return [finding.severity, finding.code, where, `${finding.path}: ${finding.message}${hint}`]
  })
  return table(['severity', 'code', 'where', 'finding'], rows, 'nothing to say')
}
