/**
 * How the agent's process is set up. It stays for months beside the services of a host, so memory matters more to it
 * than the last per cent of speed; these settings only take effect when a process begins.
 */

/**
 * The control thread's garbage is small (data threads have a size of their own), and one helper thread compiles and
 * collects for all: V8 keeps tens of MiB for each further one.
 */
const nodeFlags = ['--max-semi-space-size=2', '--v8-pool-size=1'] as const

/** The allocator's default of eight arenas per core lets memory that one thread freed lie idle for the others. */
const environment: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '2' }

/**
 * Replaces this process by one with the agent's settings, under the same process id; returns where it has them already,
 * and where Node cannot do it. Nothing may be open yet.
 */
export function becomeAgentProcess(): void {
  if (process.execArgv.includes(nodeFlags[0]) || process.execve === undefined) return
  const { execPath, execArgv, argv, env } = process
  process.execve(execPath, [execPath, ...execArgv, ...nodeFlags, ...argv.slice(1)], { ...environment, ...env })
}
