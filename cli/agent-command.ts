import type { Command } from 'commander'
import { agentSettings } from '../agent/config-schema.ts'
import { MeshError } from '../mesh/std/errors.ts'
import { becomeAgentProcess } from './agent-process.ts'
import type { CliContext } from './context.ts'
import { addSettingOptions, givenSettings } from './setting-options.ts'

/** `weft agent run|join|cleanup`: the agent of this host. */
export function addAgentCommand(program: Command, context: CliContext): void {
  const agent = program.command('agent').description('run, join and clean up the agent of this host')
  // Loaded when it is needed: the operator's verbs should not wait for the agent's code.
  const load = () => import('../agent/main.ts')

  addSettingOptions(agent.command('run'), agentSettings)
    .description('run the agent; it must have joined')
    .addHelpText('after', '\nAll settings are in docs/reference/configuration.md.')
    .action(async (_options: unknown, command: Command) => {
      becomeAgentProcess()
      const { runAgent } = await load()
      process.exit(await runAgent(givenSettings(command, agentSettings)))
    })

  addSettingOptions(agent.command('join'), agentSettings)
    .description('join this host to a mesh: its key is made here and stays here')
    .option('--token-file <path>', 'file with the join token, - for standard input; or --evidence')
    .action(async (options: { tokenFile?: string; evidence?: string }, command: Command) => {
      if (options.tokenFile !== undefined && options.evidence !== undefined) {
        throw new MeshError('WEFT_USAGE', 'a host joins with a token or with other evidence, not with both')
      }
      const { joinAgent } = await load()
      const joined = await joinAgent(givenSettings(command, agentSettings), options.tokenFile)
      context.print(`${joined.node} has joined as ${joined.identity}; its key is in ${joined.stateDir}`)
    })

  agent
    .command('cleanup')
    .description('remove every rule, set and route of Weft from this host; nothing else is touched')
    .action(async () => {
      const { cleanupAgent } = await load()
      await cleanupAgent()
      context.print('capture is removed')
    })
}
