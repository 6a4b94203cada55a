import type { Command } from 'commander'
import type { Clock } from '../mesh/std/clock.ts'
import type { AgentClient, AgentOptions } from './agent-client.ts'
import type { ApiClient, ServerOptions } from './api-client.ts'
import { type OutputFormat, parseOutputFormat } from './output.ts'

/** What every verb works with; tests hand in their own. */
export interface CliContext {
  readonly clock: Clock
  print(text: string): void
  /** Adds the options that say which server to talk to, and `-o`. */
  withServer(command: Command): Command
  client(command: Command): ApiClient
  /** Adds the options that say which agent of this host to talk to, and `-o`. */
  withAgent(command: Command): Command
  agent(command: Command): Promise<AgentClient>
  format(command: Command): OutputFormat
}

export function createContext(
  clock: Clock,
  print: (text: string) => void,
  connect: (options: ServerOptions) => ApiClient,
  connectAgent: (options: AgentOptions) => Promise<AgentClient>,
): CliContext {
  return {
    clock,
    print,
    withServer: command =>
      command
        .option('-s, --server <host[:port]>', 'the server’s API (WEFT_SERVER; default 127.0.0.1:15443)')
        .option('--token-file <path>', 'file with the API token (WEFT_TOKEN holds one itself)')
        .option('-o, --output <format>', 'table, wide (more columns, where there are more), json or yaml', 'table'),
    client: command => connect(command.opts<ServerOptions>()),
    withAgent: command =>
      command
        .option('-c, --config <file>', 'configuration file of the agent')
        .option('--admin-socket <path>', 'the agent’s admin socket (WEFT_AGENT_ADMIN_SOCKET; default of the agent)')
        .option('-o, --output <format>', 'table, json or yaml', 'table'),
    agent: command => connectAgent(command.opts<AgentOptions>()),
    format: command => parseOutputFormat(command.opts<{ output: string }>().output),
  }
}
