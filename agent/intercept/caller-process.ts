import { execFile } from 'node:child_process'
import { isIPv6 } from 'node:net'

/** The process that made a local socket, by the kernel's own account. */
export interface CallerProcess {
  readonly uid: number
  /** Path of its cgroup v2 without leading slash; empty for the root. */
  readonly cgroup: string
}

/** Questions to the kernel at once, and how many may wait; beyond them a caller stays unknown. */
const maxLookups = 16
const maxWaiting = 1024
const timeoutMs = 1_000

let running = 0
const waiting: (() => void)[] = []

/**
 * Asks through `ss` who made the local TCP socket of this address and port. Gives `undefined` for a socket that is gone,
 * where the kernel cannot be asked, and when too many wait; never throws.
 */
export async function callerProcess(address: string, port: number): Promise<CallerProcess | undefined> {
  if (running >= maxLookups) {
    if (waiting.length >= maxWaiting) return undefined
    await new Promise<void>(resolve => waiting.push(resolve))
  }
  running += 1
  try {
    const source = isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
    return parseSocket(await output('ss', ['-tnHOe', '--cgroup', 'state', 'connected', 'src', source]))
  } finally {
    running -= 1
    waiting.shift()?.()
  }
}

/** The name of a user by the name service; undefined when it has none. */
export async function userName(uid: number): Promise<string | undefined> {
  return (await output('getent', ['passwd', String(uid)])).split(':')[0] || undefined
}

/** One line of `ss`; it leaves out the uid of root. Two sockets of one address are nobody's. */
function parseSocket(text: string): CallerProcess | undefined {
  const [line = '', ...more] = text.trim().split('\n')
  const cgroup = /\scgroup:\/(\S*)/.exec(line)?.[1]
  if (more.length > 0 || cgroup === undefined || !/\sino:\d/.test(line)) return undefined
  return { uid: Number(/\suid:(\d+)\s/.exec(line)?.[1] ?? 0), cgroup }
}

/** Standard output; empty when the command fails. */
function output(file: string, args: readonly string[]): Promise<string> {
  return new Promise(resolve => {
    const child = execFile(file, args, { timeout: timeoutMs, encoding: 'utf8' }, (error, stdout) =>
      resolve(error === null ? stdout : ''),
    )
    child.stdin?.end()
  })
}
