import { execFile } from 'node:child_process'

/** What a command said. */
export interface CommandResult {
  /** Exit code; 128 + n when a signal ended it, -1 when it could not be started. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end, never through a shell, and gives what it said whatever its exit code. */
export function run(file: string, args: readonly string[], timeoutMs = 20_000): Promise<CommandResult> {
  return new Promise(resolve => {
    const child = execFile(
      file,
      args,
      { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 16 << 20 },
      (error, stdout, stderr) => {
        const code =
          error === null ? 0 : typeof error.code === 'number' ? error.code : child.pid === undefined ? -1 : 137
        resolve({ code, stdout, stderr: child.pid === undefined ? String(error) : stderr })
      },
    )
    child.stdin?.end()
  })
}

/** Runs a command that must succeed; gives its output, throws with the command line and its complaint otherwise. */
export async function must(file: string, args: readonly string[], timeoutMs?: number): Promise<string> {
  const result = await run(file, args, timeoutMs)
  if (result.code === 0) return result.stdout
  throw new Error(`${file} ${args.join(' ')}: exit ${result.code}: ${result.stderr.trim() || result.stdout.trim()}`)
}
