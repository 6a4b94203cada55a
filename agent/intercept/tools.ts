import { execFile } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { MeshError } from '../../mesh/std/errors.ts'

/** Runs the system's own programs. */
export interface Tools {
  /**
   * Runs a program by its name with a fixed argument list, never through a shell, and gives its standard output.
   * Throws `WEFT_CAPTURE` when it is missing, fails, or takes longer than ten seconds.
   */
  run(file: string, args: readonly string[], input?: string): Promise<string>
}

const timeoutMs = 10_000
const packages: Readonly<Record<string, string>> = {
  'iptables-save': 'iptables',
  'ip6tables-save': 'iptables',
  'iptables-restore': 'iptables',
  'ip6tables-restore': 'iptables',
  iptables: 'iptables',
  ipset: 'ipset',
  ip: 'iproute2',
  nft: 'nftables',
}

/** The tools of this machine, found in the usual folders whatever PATH says. */
export function createTools(): Tools {
  const env = { PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${process.env.PATH ?? ''}`, LC_ALL: 'C' }
  return {
    run: (file, args, input = '') =>
      new Promise((resolve, reject) => {
        const options = { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 256 << 20, env } as const
        const child = execFile(file, args, options, (error, stdout, stderr) => {
          if (error === null) return resolve(stdout)
          reject(asMeshError(file, args, error, stderr))
        })
        yieldToTraffic(child.pid)
        // a program that fails before it has read everything closes the pipe; its exit code tells the story
        child.stdin?.on('error', () => {})
        child.stdin?.end(input)
      }),
  }
}

/** Looking after the rules can wait a moment, connections cannot: on a small host both want the same core. */
function yieldToTraffic(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL)
  } catch {
    // it has ended already
  }
}

interface Failure extends Error {
  readonly code?: number | string | null
  readonly killed?: boolean
}

function asMeshError(file: string, args: readonly string[], error: Failure, stderr: string): MeshError {
  const fields = { command: [file, ...args].join(' '), said: stderr.trim().slice(0, 2000) }
  if (error.code === 'ENOENT') {
    const name = packages[file] ?? file
    const next = `install ${name}: apt-get install ${name}, dnf install ${name} or its equal`
    return new MeshError('WEFT_CAPTURE', `${file} is not installed`, { fields, next })
  }
  if (/permission denied|must be root|not permitted/i.test(stderr)) {
    const next = 'run the agent as root or with CAP_NET_ADMIN'
    return new MeshError('WEFT_CAPTURE', `${file} lacks the rights it needs`, { fields, next })
  }
  const message = error.killed === true ? `${file} did not finish in time` : `${file} failed`
  return new MeshError('WEFT_CAPTURE', message, { fields: { ...fields, code: error.code }, cause: error })
}
