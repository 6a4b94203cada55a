import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Command } from 'commander'
import { MeshError } from '../mesh/std/errors.ts'
import type { CliContext } from './context.ts'
import type { Owner } from './identity-files.ts'

interface ExportFlags {
  readonly identity: string
  readonly out: string
  readonly format: string
  readonly passphraseFile?: string
  readonly owner?: string
  readonly reload?: string
  readonly once?: boolean
}

const run = promisify(execFile)

/** `weft identity export`: an identity of this host as files, for software with its own TLS. */
export function addIdentityExportCommand(identity: Command, context: CliContext): void {
  identity
    .command('export')
    .option('-c, --config <file>', 'configuration file of the agent')
    .option('--admin-socket <path>', 'the agent’s admin socket (WEFT_AGENT_ADMIN_SOCKET; default of the agent)')
    .description('write an identity of this host to files and keep them renewed; for the user that the agent runs as')
    .requiredOption('--identity <namespace/service-account>', 'which identity')
    .requiredOption('--out <directory>', 'where to: tls.crt, tls.key and ca.crt')
    .option('--format <format>', 'pem, or pkcs12: tls.p12 and ca.crt', 'pem')
    .option('--passphrase-file <path>', 'file with the passphrase of tls.p12')
    .option('--owner <user:group>', 'whom the files shall belong to')
    .option('--reload <command>', 'run after each change: words divided by spaces, without a shell')
    .option('--once', 'write once and end')
    .action(async (flags: ExportFlags, command: Command) => {
      const { createExporter, keepExported } = await import('./identity-export.ts')
      const deps = { ...context, agent: await context.agent(command) }
      const options = {
        identity: flags.identity,
        directory: resolve(flags.out),
        owner: flags.owner === undefined ? undefined : await ownerNamed(flags.owner),
        passphrase: await passphraseOf(flags),
        reload: (flags.reload ?? '').split(' ').filter(word => word !== ''),
      }
      if (flags.once === true) return createExporter(deps, options)()
      const ended = new AbortController()
      for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => ended.abort())
      await keepExported(deps, options, ended.signal)
    })
}

async function passphraseOf({ format, passphraseFile }: ExportFlags): Promise<string | undefined> {
  if (format !== 'pem' && format !== 'pkcs12') throw new MeshError('WEFT_USAGE', '--format is pem or pkcs12')
  if ((format === 'pkcs12') !== (passphraseFile !== undefined)) {
    throw new MeshError('WEFT_USAGE', '--format pkcs12 and --passphrase-file belong together')
  }
  if (passphraseFile === undefined) return undefined
  const text = await readFile(passphraseFile, 'utf8').catch(cause => {
    throw new MeshError('WEFT_USAGE', 'the passphrase file cannot be read', { cause, fields: { file: passphraseFile } })
  })
  const passphrase = text.replace(/\r?\n$/, '')
  if (passphrase === '')
    throw new MeshError('WEFT_USAGE', 'the passphrase is empty', { fields: { file: passphraseFile } })
  return passphrase
}

/** Reads `user:group`, names or numbers, by the name service of this host. */
async function ownerNamed(text: string): Promise<Owner> {
  const [user = '', group = '', ...more] = text.split(':')
  if (user === '' || group === '' || more.length > 0) throw new MeshError('WEFT_USAGE', '--owner is not <user>:<group>')
  return { uid: await numberOf('passwd', user), gid: await numberOf('group', group) }
}

async function numberOf(database: 'passwd' | 'group', name: string): Promise<number> {
  if (/^\d{1,10}$/.test(name)) return Number(name)
  const { stdout } = await run('getent', [database, '--', name]).catch(() => ({ stdout: '' }))
  const number = stdout.split(':')[2]
  if (number === undefined) {
    throw new MeshError('WEFT_USAGE', 'there is no such user or group on this host', { fields: { [database]: name } })
  }
  return Number(number)
}
