import { type Clock, systemClock, systemRandom } from '../mesh/std/clock.ts'
import { describeError } from '../mesh/std/errors.ts'
import { createLog } from '../mesh/std/log.ts'
import { guardProcess, refuseUnsafeStart } from '../mesh/std/process-guard.ts'
import { loadServerConfig, type ServerConfigSources } from './config.ts'
import { refuseOpenSecrets } from './secret-files.ts'
import { startServer } from './server.ts'

/** How long stopping may take before the process ends anyway. */
const stopDeadlineMs = 15_000
/** Signals within this time are one: npm and other launchers pass on what the terminal has sent to both. */
const sameSignalMs = 1000

/**
 * Runs a server until SIGTERM or SIGINT; resolves when it has stopped. Another signal more than a second later ends the
 * process at once. Throws a MeshError when it cannot start.
 */
export async function runServer(sources: ServerConfigSources): Promise<void> {
  refuseUnsafeStart({ env: sources.env, execArgv: process.execArgv })
  const config = loadServerConfig(sources)
  const log = createLog(config.logLevel)
  guardProcess(process, log)
  refuseOpenSecrets(config)
  const stopSignal = nextStopSignal(systemClock)
  const server = await startServer(config, { clock: systemClock, random: systemRandom, log })
  log.info('server is running', { name: config.name, trustDomain: config.trustDomain, ...server.addresses })
  if (server.adminTokenFile !== undefined) {
    log.info('first API token was made, keep it safe', { file: server.adminTokenFile })
  }
  const signal = await stopSignal
  log.info('server is stopping', { signal })
  const deadline = systemClock.timer(stopDeadlineMs, () => {
    log.error('stopping took too long, the process ends now')
    process.exit(1)
  })
  try {
    await server.stop()
    log.info('server has stopped')
  } catch (error) {
    log.error('stopping was not clean', { error: describeError(error) })
    process.exitCode = 1
  } finally {
    deadline.cancel()
  }
}

function nextStopSignal(clock: Pick<Clock, 'monotonic'>): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let askedAt: number | undefined
    const stop = (signal: NodeJS.Signals) => {
      if (askedAt !== undefined && clock.monotonic() - askedAt > sameSignalMs) process.exit(130)
      askedAt ??= clock.monotonic()
      resolve(signal)
    }
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
  })
}
