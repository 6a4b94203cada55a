import { describeError, MeshError } from './errors.ts'
import type { Log } from './log.ts'

/** What of a process is looked at and changed; `process` itself. */
export type GuardedProcess = Pick<NodeJS.Process, 'env' | 'execArgv' | 'on' | 'exit'>

/** The exit status after a failure that nobody has foreseen: EX_SOFTWARE of sysexits.h. */
const unforeseenExitCode = 70

/**
 * Options of Node that switch checks off, or hand what is in memory to whoever may send a signal or connect: debuggers,
 * lenient parsing of HTTP, keys of TLS in a file, and snapshots of the heap.
 */
const unsafeOptions = [
  '--insecure-http-parser',
  '--tls-keylog',
  '--inspect',
  '--inspect-brk',
  '--inspect-wait',
  '--inspect-port',
  '--debug-port',
  '--heapsnapshot-signal',
  '--heapsnapshot-near-heap-limit',
  '--report-on-signal',
]

/** What children must not inherit: each steers a Node process, or holds what is for this one alone. */
const ownVariables = [
  'NODE_OPTIONS',
  'NODE_PATH',
  'NODE_DEBUG',
  'NODE_EXTRA_CA_CERTS',
  'NODE_REPL_EXTERNAL_MODULE',
  'WEFT_TOKEN',
]

/**
 * Refuses to go on in an environment in which connections would not be private; to be called before anything else. Throws
 * WEFT_CONFIG_INVALID naming every variable and option that has to go.
 */
export function refuseUnsafeStart({ env, execArgv }: Pick<GuardedProcess, 'env' | 'execArgv'>): void {
  const variables = [
    ...(env.NODE_TLS_REJECT_UNAUTHORIZED === '0' ? ['NODE_TLS_REJECT_UNAUTHORIZED=0'] : []),
    ...(env.SSLKEYLOGFILE === undefined ? [] : ['SSLKEYLOGFILE']),
  ]
  // Node takes quoted options there too
  const given = [...execArgv, ...(env.NODE_OPTIONS ?? '').replaceAll('"', '').split(/\s+/)].map(nameOf)
  const options = unsafeOptions.filter(option => given.includes(option))
  const found = [...variables, ...new Set(options)]
  if (found.length === 0) return
  throw new MeshError('WEFT_CONFIG_INVALID', `${found.join(' and ')} would give away what is secret here`, {
    fields: { found },
    next: 'remove it from the environment or the command line and start again',
  })
}

/**
 * Makes a long-running process hard to get into: SIGUSR1 opens no debugger, children inherit nothing that steers Node, and
 * a failure that nobody has foreseen ends the process with status 70, for nothing in memory can be relied upon after it.
 */
export function guardProcess(guarded: GuardedProcess, log: Log): void {
  for (const name of ownVariables) delete guarded.env[name]
  // without a handler Node opens its inspector for whoever may send the signal
  guarded.on('SIGUSR1', () => log.warn('SIGUSR1 is ignored, there is no debugger here'))
  const end = (what: string) => (error: unknown) => {
    log.error(what, { error: describeError(error), stack: error instanceof Error ? error.stack : undefined })
    guarded.exit(unforeseenExitCode)
  }
  guarded.on('uncaughtException', end('uncaught exception, the process ends'))
  guarded.on('unhandledRejection', end('unhandled rejection, the process ends'))
}

function nameOf(option: string): string {
  return option.split('=')[0]?.replaceAll('_', '-') ?? ''
}
