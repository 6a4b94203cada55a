import { type ChildProcess, spawn } from 'node:child_process'
import { type CheckResult, failed, type RunCheck } from './check.ts'

/** Beginning of each of the child's streams that is kept: enough for a line that explains. */
const maxOutputBytes = 4096
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * Healthy when the command exits with 0. It is run without a shell, with the agent's rights, in a process group of its
 * own that is killed when the signal aborts, with a clean environment, and in `/`. Its connections are exempt from
 * capture like the agent's own, because it runs in the agent's cgroup: it asks the workload, not the mesh, and mesh
 * names lead it nowhere.
 */
export const checkExec: RunCheck<'exec'> = ({ command }, _address, signal) => runProgram(command, signal)

/** What {@link checkExec} does, also for programs of the agent's own choice. */
export async function runProgram(command: readonly string[], signal: AbortSignal): Promise<CheckResult> {
  const { code, stdout, stderr } = await outputOf(command, signal)
  if (code === 0) return { healthy: true, reason: '' }
  const said = firstLine(stderr) ?? firstLine(stdout)
  if (typeof code !== 'number') return { healthy: false, reason: code }
  return { healthy: false, reason: said === undefined ? `exit code ${code}` : `exit code ${code}: ${said}` }
}

/** How a program ended: its exit code, or in words why there is none. */
export interface ProgramOutput {
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end, or kills it and all it has started when the signal aborts. */
export function outputOf(command: readonly string[], signal: AbortSignal): Promise<ProgramOutput> {
  return new Promise(resolve => {
    const [file = '', ...args] = command
    let child: ChildProcess
    try {
      // Detached means a process group of its own.
      const env = { PATH: path, LANG: 'C.UTF-8', LC_MESSAGES: 'C' }
      child = spawn(file, args, { cwd: '/', env, detached: true, shell: false, stdio: ['ignore', 'pipe', 'pipe'] })
    } catch (error) {
      return resolve({ code: notStarted(error), stdout: '', stderr: '' })
    }
    const stdout = collect(child.stdout)
    const stderr = collect(child.stderr)
    let code: number | string = 'killed: it took too long'
    const done = () => {
      signal.removeEventListener('abort', kill)
      // A program it left behind may hold the pipes open for ever.
      child.stdout?.destroy()
      child.stderr?.destroy()
      resolve({ code, stdout: stdout(), stderr: stderr() })
    }
    const kill = () => {
      if (child.exitCode === null && child.signalCode === null) killGroup(child)
      done()
    }
    child.once('error', error => {
      code = notStarted(error)
      done()
    })
    child.once('exit', (exitCode, signalName) => {
      code = exitCode ?? `killed by ${signalName}`
    })
    child.once('close', done)
    signal.addEventListener('abort', kill, { once: true })
    if (signal.aborted) kill()
  })
}

/** While the child has not been reaped its number belongs to it, so the group is the right one. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // all of it has ended already
  }
}

function notStarted(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return 'the program is not there'
  if (code === 'EACCES') return 'the program may not be executed'
  return failed(error).reason
}

function collect(stream: ChildProcess['stdout']): () => string {
  let kept = Buffer.alloc(0)
  // What is beyond is read and dropped: a full pipe would stop the program.
  stream?.on('data', (chunk: Buffer) => {
    if (kept.length < maxOutputBytes) kept = Buffer.concat([kept, chunk.subarray(0, maxOutputBytes - kept.length)])
  })
  return () => kept.toString()
}

function firstLine(text: string): string | undefined {
  return text.split('\n').find(line => line.trim() !== '')
}
