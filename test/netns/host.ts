import { spawn } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CgroupTree } from './cgroups.ts'
import { type CommandResult, must, run } from './commands.ts'
import { follow, type HostProcess } from './process.ts'

export interface RunOptions {
  /** Runs as this user and group, without further groups; root when left out. */
  readonly uid?: number
  /** Runs in this cgroup below the host's own, made when absent: `system.slice/api.service`. Default: `user.slice`. */
  readonly cgroup?: string
  /** Added to the test's own environment. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** One machine of a world: a network namespace with an address of each family on `eth0`. */
export interface Host {
  readonly name: string
  /** Name of its network namespace, for `ip netns` and `nsenter --net=/run/netns/...`. */
  readonly namespace: string
  readonly address4: string
  readonly address6: string
  /** Runs a program to its end; exit codes are the caller's to judge. */
  exec(file: string, args?: readonly string[], options?: RunOptions & { timeoutMs?: number }): Promise<CommandResult>
  /** Runs a program that must exit 0, gives its standard output. */
  must(file: string, args?: readonly string[], options?: RunOptions & { timeoutMs?: number }): Promise<string>
  /** Starts a program that runs until killed, at the latest by the world's end. */
  spawn(file: string, args?: readonly string[], options?: RunOptions): HostProcess
  /** Path of a cgroup of this host, relative to the cgroup v2 root: what a `CallerSelector` takes. */
  cgroupPath(below?: string): string
  /** Makes a cgroup, before anything runs in it, and gives its directory. */
  makeCgroup(below: string): string
  /** Stops everything in a cgroup of this host and takes it away, as systemd does with a unit. */
  removeCgroup(below: string): Promise<void>
  /** From now on programs started here see this text as `/etc/resolv.conf`. */
  resolvConf(text: string): void
  /** Pulls the cable (`false`), or plugs it in again. */
  link(up: boolean): Promise<void>
  /** Both families' rules as `iptables-save` tells them, without comment lines and packet counters. */
  rules(): Promise<string>
}

/** What a host is made from; only `world.ts` makes them. */
export interface HostParts {
  readonly name: string
  readonly namespace: string
  /** The namespace all cables end in, and this host's end there. */
  readonly wire: { readonly namespace: string; readonly device: string }
  readonly address4: string
  readonly address6: string
  readonly cgroups: CgroupTree
  /** A directory for this world's files. */
  readonly directory: string
}

// $1 cgroup directory, $2 resolv.conf or empty, $3 uid or empty, then the program
const enter = `
echo 0 >"$1/cgroup.procs" || exit 125
if [ -n "$2" ]; then mount --bind "$2" /etc/resolv.conf || exit 125; fi
uid=$3; shift 3
if [ -n "$uid" ]; then exec setpriv --reuid="$uid" --regid="$uid" --clear-groups -- "$@"; fi
exec "$@"`

/** A host on top of a namespace that is there and wired. */
export function createHost(parts: HostParts): Host & { end(): Promise<void> } {
  let resolver: string | undefined
  const running = new Set<HostProcess>()
  const command = (file: string, args: readonly string[], options: RunOptions): string[] => [
    `--net=/run/netns/${parts.namespace}`,
    ...(resolver === undefined ? [] : ['unshare', '--mount', '--propagation', 'slave']),
    'sh',
    '-c',
    enter,
    'enter',
    parts.cgroups.make(join(parts.name, options.cgroup ?? 'user.slice')),
    resolver ?? '',
    options.uid === undefined ? '' : String(options.uid),
    ...(options.env === undefined
      ? []
      : ['env', ...Object.entries(options.env).map(([key, value]) => `${key}=${value}`)]),
    file,
    ...args,
  ]
  const host: Host & { end(): Promise<void> } = {
    name: parts.name,
    namespace: parts.namespace,
    address4: parts.address4,
    address6: parts.address6,
    exec: (file, args = [], options = {}) => run('nsenter', command(file, args, options), options.timeoutMs),
    must: (file, args = [], options = {}) => must('nsenter', command(file, args, options), options.timeoutMs),
    spawn(file, args = [], options = {}) {
      const child = spawn('nsenter', command(file, args, options), { stdio: 'pipe', cwd: options.cwd })
      const process = follow(child, `${file} on ${parts.name}`)
      running.add(process)
      void process.exited.then(() => running.delete(process))
      return process
    },
    cgroupPath: below => parts.cgroups.path(join(parts.name, below ?? '')),
    makeCgroup: below => parts.cgroups.make(join(parts.name, below)),
    removeCgroup: below => parts.cgroups.remove(join(parts.name, below)),
    resolvConf(text) {
      resolver = join(parts.directory, `${parts.name}.resolv.conf`)
      writeFileSync(resolver, text)
    },
    async link(up) {
      await must('ip', ['-n', parts.wire.namespace, 'link', 'set', parts.wire.device, up ? 'up' : 'down'])
    },
    async rules() {
      const saves = await Promise.all([host.must('iptables-save'), host.must('ip6tables-save')])
      return saves
        .join('')
        .split('\n')
        .filter(line => !line.startsWith('#'))
        .map(line => line.replace(/\[\d+:\d+\]/g, ''))
        .join('\n')
    },
    async end() {
      await Promise.all([...running].map(process => process.kill()))
      // children that a program left behind: everything that still lives in this namespace is ours
      const left = (await run('ip', ['netns', 'pids', parts.namespace])).stdout.split('\n').filter(pid => pid !== '')
      for (const pid of left) {
        try {
          process.kill(Number(pid), 'SIGKILL')
        } catch {
          // it ended by itself in between
        }
      }
      await must('ip', ['netns', 'delete', parts.namespace])
      if (resolver !== undefined) rmSync(resolver, { force: true })
    },
  }
  return host
}
