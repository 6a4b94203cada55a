import type { Command } from 'commander'
import { foregroundClock, sleep } from '../mesh/std/clock.ts'
import type { CaStatus, MissingHost } from '../server/identity/rotator.ts'
import { caText, rotationLine } from './ca-text.ts'
import type { CliContext } from './context.ts'
import { parseDuration } from './duration.ts'
import { formatOutput } from './output.ts'
import { readText } from './read-text.ts'

const lookEveryMs = 1_000

interface RotateOptions {
  readonly spread: string
  readonly retention: string
  readonly compromised?: true
  readonly force?: true
  readonly wait?: true
}

/** `weft ca status|rotate|abort`: the certificate authority of the mesh, and changing its root. */
export function addCaCommand(program: Command, context: CliContext): void {
  const ca = program.command('ca').description('show the certificate authority, and change its root')

  context
    .withServer(ca.command('status'))
    .description('show the roots, their ends, and how far a change of the root is and for whom it waits')
    .action(async (_options: unknown, command: Command) => {
      const status = await context.client(command).get<CaStatus>('/v1/ca')
      context.print(formatOutput(context.format(command), status, () => caText(status, context.clock.now())))
    })

  context
    .withServer(ca.command('rotate'))
    .description('change the root: made known, then signing, then all certificates renewed, then the old one gone')
    .option('--spread <duration>', 'time over which hosts renew their certificates', '1m')
    .option('--retention <duration>', 'how long hosts and tokens that know only the old root can still come', '90d')
    .option('--compromised', 'the old key is in wrong hands: cut at the end what is open under it')
    .option('--force', 'go on with the change under way without the hosts that its present step waits for')
    .option('--wait', 'return when the change is over')
    .addHelpText(
      'after',
      '\nEach step waits for every host that has a valid certificate; weft ca status names those that are missing.',
    )
    .action(async (options: RotateOptions, command: Command) => {
      const client = context.client(command)
      if (options.force === true) {
        const { skipped } = await client.post<{ skipped: MissingHost[] }>('/v1/ca/rotation/force', '')
        const names = skipped.map(({ node }) => node).join(' ')
        const said = () => (names === '' ? 'nobody was missing' : `not waited for: ${names}`)
        context.print(formatOutput(context.format(command), skipped, said))
      } else {
        const body = {
          renewWithinMs: parseDuration(options.spread),
          retentionMs: parseDuration(options.retention),
          compromised: options.compromised === true,
        }
        await client.post('/v1/ca/rotation', JSON.stringify(body))
      }
      let status = await client.get<CaStatus>('/v1/ca')
      for (let said = ''; options.wait === true && status.rotation !== undefined; ) {
        const line = rotationLine(status)
        if (line !== said && context.format(command) === 'table') context.print(line)
        said = line
        await sleep(foregroundClock, lookEveryMs, new AbortController().signal)
        status = await client.get<CaStatus>('/v1/ca')
      }
      context.print(formatOutput(context.format(command), status, () => caText(status, context.clock.now())))
    })

  context
    .withServer(ca.command('csr'))
    .description('print a certificate request, for an issuing certificate of your own authority')
    .addHelpText('after', '\nThe key stays on the server; it is the same until its certificate is installed.')
    .action(async (_options: unknown, command: Command) => {
      const answer = await context.client(command).post<{ csr: string }>('/v1/ca/csr', '')
      context.print(formatOutput(context.format(command), answer, () => answer.csr.trimEnd()))
    })

  context
    .withServer(ca.command('install'))
    .description('use an issuing certificate that your own authority has signed, and change to its root')
    .argument('<file>', 'the chain, PEM: the issuing certificate first, the root last; - for standard input')
    .option('--spread <duration>', 'time over which hosts renew their certificates', '1m')
    .option('--retention <duration>', 'how long hosts and tokens that know only the old root can still come', '90d')
    .action(async (file: string, options: Pick<RotateOptions, 'spread' | 'retention'>, command: Command) => {
      const body = {
        chain: await readText(file),
        renewWithinMs: parseDuration(options.spread),
        retentionMs: parseDuration(options.retention),
      }
      const status = await context.client(command).post<CaStatus>('/v1/ca/install', JSON.stringify(body))
      context.print(formatOutput(context.format(command), status, () => caText(status, context.clock.now())))
    })

  context
    .withServer(ca.command('abort'))
    .description('take a change of the root back, in steps as safe as those that led there')
    .action(async (_options: unknown, command: Command) => {
      const status = await context.client(command).post<CaStatus>('/v1/ca/rotation/abort', '')
      context.print(formatOutput(context.format(command), status, () => caText(status, context.clock.now())))
    })
}
