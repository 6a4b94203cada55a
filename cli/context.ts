import type { Command } from 'commander'
import type { Clock } from '../mesh/std/clock.ts'
import type { ApiClient, ServerOptions } from './api-client.ts'
import { type OutputFormat, parseOutputFormat } from './output.ts'

/** What every verb works with; tests hand in their own. */
export interface CliContext {
  readonly clock: Clock
  print(text: string): void
  /** Adds the options that say which server to talk to, and `-o`. */
  withServer(command: Command): Command
  client(command: Command): ApiClient
  format(command: Command): OutputFormat
}

export function createContext(
  clock: Clock,
  print: (text: string) => void,
  connect: (options: ServerOptions) => ApiClient,
): CliContext {
  return {
    clock,
    print,
    withServer: command =>
      command
        .option('-s, --server <host[:port]>', 'the server’s API (WEFT_SERVER; default 127.0.0.1:15443)')
        .option('--token-file <path>', 'file with the API token (WEFT_TOKEN holds one itself)')
        .option('-o, --output <format>', 'table, json or yaml', 'table'),
    client: command => connect(command.opts<ServerOptions>()),
    format: command => parseOutputFormat(command.opts<{ output: string }>().output),
  }
}
