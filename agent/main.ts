import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { systemClock, systemRandom } from '../mesh/std/clock.ts'
import { describeError, MeshError } from '../mesh/std/errors.ts'
import { createLog } from '../mesh/std/log.ts'
import { guardProcess, refuseUnsafeStart } from '../mesh/std/process-guard.ts'
import { startAgent } from './agent.ts'
import { type AgentSettings, loadAgentSettings } from './config.ts'
import { agentState } from './control/agent-state.ts'
import { joinMesh } from './control/join.ts'
import { joinAsConfigured, joinIfNeeded } from './control/join-settings.ts'
import { openStateDirectory } from './control/state-directory.ts'
import { cleanupCapture } from './intercept/cleanup.ts'

/** What the command line hands over. */
export interface AgentInvocation {
  /** Configuration file, YAML or JSON. */
  readonly file?: string | undefined
  /** Flag name without dashes to its text; the names are in the settings schema. */
  readonly flags: Readonly<Record<string, string>>
}

/**
 * `weft agent run`: runs an agent in this process until a signal, the admin socket or a failure ends it. Resolves to
 * the exit code. Throws what keeps it from starting.
 */
export async function runAgent(invocation: AgentInvocation): Promise<number> {
  refuseUnsafeStart(process)
  const settings = loadSettings(invocation)
  const log = createLog(settings.logLevel)
  guardProcess(process, log)
  await joinIfNeeded(settings, { clock: systemClock, random: systemRandom, log })
  const agent = await startAgent(settings, { clock: systemClock, random: systemRandom, log })
  const stop = (signal: NodeJS.Signals) => {
    log.info('signal received', { signal })
    agent.stop().catch(error => log.error('stopping failed', { error: describeError(error) }))
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  try {
    const failure = await agent.ended
    return failure === undefined ? 0 : 1
  } finally {
    process.off('SIGTERM', stop)
    process.off('SIGINT', stop)
  }
}

/** What joining has led to. */
export interface Joined {
  readonly node: string
  /** SPIFFE id. */
  readonly identity: string
  readonly stateDir: string
}

/**
 * `weft agent join`: joins this host with a token from a file, or from standard input for `-`; without one with the
 * evidence that the settings name. Throws the codes of {@link joinMesh} and {@link joinByEvidence}.
 */
export async function joinAgent(invocation: AgentInvocation, tokenFile: string | undefined): Promise<Joined> {
  refuseUnsafeStart(process)
  const settings = loadSettings(invocation)
  const log = createLog('warn', process.stderr)
  const state = agentState(await openStateDirectory(settings.stateDir, { clock: systemClock, log }))
  const deps = { clock: systemClock, state }
  const { node, server } = settings
  const held =
    tokenFile === undefined
      ? await joinAsConfigured(deps, settings)
      : await joinMesh(deps, { node, server, token: await readToken(tokenFile) })
  return { node: settings.node, identity: held.identity, stateDir: settings.stateDir }
}

/**
 * `weft agent cleanup`: removes everything that capture has put on this host, found by what is there and not by the
 * configuration. Nothing else is touched. Throws WEFT_CAPTURE.
 */
export async function cleanupAgent(): Promise<void> {
  await cleanupCapture()
}

/** The settings, with what only an agent that talks to a server needs. */
function loadSettings({ file, flags }: AgentInvocation): AgentSettings {
  const settings = loadAgentSettings({ file, env: process.env, flags })
  if (settings.server.host === '') {
    throw new MeshError('WEFT_CONFIG_INVALID', 'server.host is not set', {
      fields: { key: 'server.host' },
      next: 'set server.host in the configuration file, WEFT_AGENT_SERVER_HOST, or --server',
    })
  }
  return settings
}

async function readToken(file: string): Promise<string> {
  try {
    return file === '-' ? await text(process.stdin) : await readFile(file, 'utf8')
  } catch (cause) {
    throw new MeshError('WEFT_USAGE', 'the token file cannot be read', { cause, fields: { file } })
  }
}
