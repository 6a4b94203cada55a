import { CommanderError } from 'commander'
import { systemClock } from '../mesh/std/clock.ts'
import { describeError, MeshError } from '../mesh/std/errors.ts'
import { connectApi } from './api-client.ts'
import { createContext } from './context.ts'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import { buildProgram } from './program.ts'

const context = createContext(
  systemClock,
  text => process.stdout.write(`${text}\n`),
  options => connectApi(options, process.env),
)

try {
  await buildProgram(context).parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

/** One sentence with the next step, never a stack trace; returns the exit status. */
function report(error: unknown): number {
  // Commander has already printed its help or its complaint.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (error instanceof MeshError) process.stderr.write(`weft: ${describeError(error)} (${error.code}): ${error.next}\n`)
  else process.stderr.write(`weft: ${describeError(error)}\n`)
  return exitCodeOf(error)
}
