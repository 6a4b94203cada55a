import { CommanderError } from 'commander'
import { foregroundClock } from '../mesh/std/clock.ts'
import { describeError, MeshError } from '../mesh/std/errors.ts'
import { connectApi } from './api-client.ts'
import { createContext } from './context.ts'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import { printable } from './output.ts'
import { buildProgram } from './program.ts'

const context = createContext(
  foregroundClock,
  text => process.stdout.write(`${text}\n`),
  options => connectApi(options, process.env),
  // Loaded when it is needed: most verbs talk to a server only.
  async options => (await import('./agent-client.ts')).connectAgent(options, process.env),
)

// whoever reads the output may stop reading: weft status | head -1
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => process.exit(exitCodes.failed))

try {
  await buildProgram(context).parseAsync()
} catch (error) {
  process.exitCode = report(error)
  // what failed may have left something open that would keep this process
  process.stderr.write('', () => process.exit())
}

/** One sentence with the next step, never a stack trace; returns the exit status. */
function report(error: unknown): number {
  // Commander has already printed its help or its complaint.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  const said = printable(describeError(error))
  process.stderr.write(
    error instanceof MeshError ? `weft: ${said} (${error.code}): ${error.next}\n` : `weft: ${said}\n`,
  )
  for (const problem of furtherProblems(error)) process.stderr.write(`  ${printable(problem)}\n`)
  return exitCodeOf(error)
}

/** Of a file with several mistakes the message names the first; the others follow, one a line. */
function furtherProblems(error: unknown): readonly string[] {
  const problems = error instanceof MeshError ? error.fields.problems : undefined
  return Array.isArray(problems) ? problems.slice(1).map(String) : []
}
