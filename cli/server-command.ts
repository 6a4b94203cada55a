import type { Command } from 'commander'
import { serverSettings } from '../server/config-schema.ts'
import { addSettingOptions, givenSettings } from './setting-options.ts'

/** `weft server`: runs a server in this process. */
export function addServerCommand(program: Command): void {
  addSettingOptions(program.command('server'), serverSettings)
    .description('run a server: registries in, identities and configuration out')
    .addHelpText('after', '\nAll settings are in docs/reference/configuration.md.')
    .action(async (_options: unknown, command: Command) => {
      const { runServer } = await import('../server/main.ts')
      await runServer({ ...givenSettings(command, serverSettings), env: process.env })
      // Nothing may keep a server that has stopped alive.
      process.exit()
    })
}
