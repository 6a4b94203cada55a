import { execFile } from 'node:child_process'
import { isIPv6 } from 'node:net'

/** Lookups that may run at once; beyond them a caller stays unknown rather than costing more. */
const maxLookups = 16
const timeoutMs = 1_000

let running = 0

/**
 * The cgroup v2 path (without leading slash) that a local TCP socket was made in, by the kernel's own account
 * (`INET_DIAG_CGROUP_ID`, through `ss`). Takes the socket's own address and port. For the moments in which the rules
 * cannot know a caller yet: a service that was restarted has a new cgroup under its old path. Gives `undefined` for a
 * socket that is gone, a cgroup that is gone, and when too many ask at once; never throws.
 */
export async function callerCgroup(address: string, port: number): Promise<string | undefined> {
  if (running >= maxLookups) return undefined
  running += 1
  try {
    const source = isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
    const text = await output('ss', ['-tnHO', '--cgroup', 'state', 'connected', 'src', source])
    return /\bcgroup:\/(\S+)/.exec(text)?.[1]
  } finally {
    running -= 1
  }
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
