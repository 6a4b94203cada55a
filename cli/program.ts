import { Command } from 'commander'
import { version } from '../mesh/std/version.ts'
import { addAgentCommand } from './agent-command.ts'
import { addAnalyzeCommand } from './analyze-command.ts'
import { addApiTokenCommand } from './api-token-command.ts'
import { addAuditCommand } from './audit-command.ts'
import { addCaCommand } from './ca-command.ts'
import type { CliContext } from './context.ts'
import { addDeregisterCommand } from './deregister-command.ts'
import { addExplainCommand } from './explain-command.ts'
import { addFlowsCommand } from './flows-command.ts'
import { addIdentityCommand } from './identity-command.ts'
import { addMaintainCommand } from './maintain-command.ts'
import { addMigrateCommand } from './migrate-command.ts'
import { addPlanCommand } from './plan-command.ts'
import { addRegisterCommand } from './register-command.ts'
import { addRegistriesCommand } from './registries-command.ts'
import { addResourceCommands } from './resource-commands.ts'
import { addServerCommand } from './server-command.ts'
import { addServicesCommand } from './services-command.ts'
import { addStatusCommand } from './status-command.ts'
import { addTokenCommand } from './token-command.ts'

/**
 * The `weft` command with all its verbs, not run yet: `main.ts` runs it, the reference page is made from it. Parsing
 * throws commander's CommanderError where commander itself would end the process.
 */
export function buildProgram(context: CliContext): Command {
  // every verb inherits exitOverride, which is why it comes first
  const program = new Command('weft')
    .description('the service mesh for machines that are not Kubernetes')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(run with --help for the options)')
  addServerCommand(program)
  addAgentCommand(program, context)
  addRegisterCommand(program, context)
  addDeregisterCommand(program, context)
  addMaintainCommand(program, context)
  addTokenCommand(program, context)
  addCaCommand(program, context)
  addIdentityCommand(program, context)
  addApiTokenCommand(program, context)
  addAuditCommand(program, context)
  addResourceCommands(program, context)
  addPlanCommand(program, context)
  addFlowsCommand(program, context)
  addAnalyzeCommand(program, context)
  addStatusCommand(program, context)
  addServicesCommand(program, context)
  addMigrateCommand(program, context)
  addRegistriesCommand(program, context)
  addExplainCommand(program, context)
  return program
}
