import type { ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { eventually } from '../support/eventually.ts'

/** A program running on a host of a world. */
export interface HostProcess {
  readonly pid: number
  /** Everything it wrote so far. */
  readonly output: { readonly stdout: string; readonly stderr: string }
  /** Exit code, or the signal's name. */
  readonly exited: Promise<number | string>
  /** Writes to its standard input. */
  write(text: string): void
  /** Waits for a line on standard output that matches and gives it; throws with all output when it exits first. */
  line(match: RegExp | string, withinMs?: number): Promise<string>
  /** Lines written to standard output so far that match. */
  lines(match?: RegExp | string): string[]
  /** Sends the signal and waits for the end; harmless when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>
}

/** Follows a child process whose streams are pipes. */
export function follow(child: ChildProcessByStdio<Writable, Readable, Readable>, what: string): HostProcess {
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text
  })
  child.stdin.on('error', () => {})
  let ended: number | string | undefined
  const exited = new Promise<number | string>(resolve => {
    child.once('error', error => {
      ended = -1
      output.stderr += String(error)
      resolve(-1)
    })
    child.once('exit', (code, signal) => {
      ended = code ?? signal ?? -1
      resolve(ended)
    })
  })
  const matching = (match?: RegExp | string) =>
    output.stdout
      .split('\n')
      .slice(0, -1)
      .filter(line => match === undefined || (typeof match === 'string' ? line.includes(match) : match.test(line)))
  const process: HostProcess = {
    pid: child.pid ?? -1,
    output,
    exited,
    write: text => void child.stdin.write(text),
    lines: matching,
    async line(match, withinMs = 15_000) {
      const found = await eventually(() => {
        const line = matching(match)[0]
        if (line !== undefined || ended !== undefined) return line
        throw new Error(`${what} did not write ${match}:\n${output.stdout}${output.stderr}`)
      }, withinMs)
      if (found === undefined) throw new Error(`${what} ended (${ended}):\n${output.stdout}${output.stderr}`)
      return found
    },
    async kill(signal = 'SIGKILL') {
      if (ended === undefined) child.kill(signal)
      await exited
    },
  }
  return process
}
