import { Command, CommanderError } from 'commander'
import { systemClock } from '../mesh/std/clock.ts'
import { describeError, MeshError } from '../mesh/std/errors.ts'
import { version } from '../mesh/std/version.ts'
import { addAgentCommand } from './agent-command.ts'
import { connectApi } from './api-client.ts'
import { createContext } from './context.ts'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import { addExplainCommand } from './explain-command.ts'
import { addResourceCommands } from './resource-commands.ts'
import { addServerCommand } from './server-command.ts'
import { addServicesCommand } from './services-command.ts'
import { addStatusCommand } from './status-command.ts'
import { addTokenCommand } from './token-command.ts'

const context = createContext(
  systemClock,
  text => process.stdout.write(`${text}\n`),
  options => connectApi(options, process.env),
)

try {
  await buildProgram().parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

function buildProgram(): Command {
  const program = new Command('weft')
    .description('the service mesh for machines that are not Kubernetes')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(run with --help for the options)')
  addServerCommand(program)
  addAgentCommand(program, context)
  addTokenCommand(program, context)
  addResourceCommands(program, context)
  addStatusCommand(program, context)
  addServicesCommand(program, context)
  addExplainCommand(program, context)
  for (const command of program.commands) command.exitOverride()
  return program
}

/** One sentence with the next step, never a stack trace; returns the exit status. */
function report(error: unknown): number {
  // Commander has already printed its help or its complaint.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (error instanceof MeshError) process.stderr.write(`weft: ${describeError(error)} (${error.code}): ${error.next}\n`)
  else process.stderr.write(`weft: ${describeError(error)}\n`)
  return exitCodeOf(error)
}
