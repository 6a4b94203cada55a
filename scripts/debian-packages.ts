import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'

/** A tool, and the Debian package that has it. */
export interface Tool {
  /** A command, or the absolute path of another file. */
  readonly command: string
  readonly package: string
}

/** What hosts in network namespaces need: for the demo and for the tests. */
export const netnsTools: readonly Tool[] = [
  { command: 'ip', package: 'iproute2' },
  { command: 'ss', package: 'iproute2' },
  { command: 'iptables', package: 'iptables' },
  { command: 'ipset', package: 'ipset' },
  { command: 'nsenter', package: 'util-linux' },
  { command: 'curl', package: 'curl' },
]

/** What the tests need beside. */
export const testTools: readonly Tool[] = [
  ...netnsTools,
  { command: 'conntrack', package: 'conntrack' },
  { command: 'nft', package: 'nftables' },
  { command: 'openssl', package: 'openssl' },
  { command: 'nghttp', package: 'nghttp2-client' },
  { command: 'nghttpd', package: 'nghttp2-server' },
  { command: 'dig', package: 'bind9-dnsutils' },
  { command: 'nginx', package: 'nginx' },
  { command: 'haproxy', package: 'haproxy' },
  { command: 'python3', package: 'python3' },
]

/** What the benches need beside. */
export const benchTools: readonly Tool[] = [
  ...netnsTools,
  { command: 'wrk', package: 'wrk' },
  { command: 'haproxy', package: 'haproxy' },
  { command: 'nginx', package: 'nginx' },
  { command: '/usr/lib/nginx/modules/ngx_stream_module.so', package: 'libnginx-mod-stream' },
  { command: 'cc', package: 'gcc' },
  { command: 'pip3', package: 'python3-pip' },
  { command: 'openssl', package: 'openssl' },
]

/**
 * Makes sure that the tools are there: as root on a Debian system missing packages are installed, after saying so;
 * elsewhere the process ends with the command to run. `say` takes what is for people to read.
 */
export function ensureTools(tools: readonly Tool[], say: (text: string) => void = console.log): void {
  // Administration tools are often outside of a user's PATH.
  process.env.PATH = [process.env.PATH ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin'].join(delimiter)
  const missing = [...new Set(tools.filter(tool => !isThere(tool.command)).map(tool => tool.package))]
  if (missing.length === 0) return
  const install = `apt-get install -y --no-install-recommends ${missing.join(' ')}`
  if (process.getuid?.() !== 0 || !isThere('apt-get')) {
    console.error(`missing: ${missing.join(', ')}. Install them as root, for example: ${install}`)
    process.exit(1)
  }
  say(`installing missing Debian packages: ${missing.join(' ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  run('apt-get', ['update', '-qq'], env)
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], env)
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv): void {
  const { status, stderr, stdout } = spawnSync(command, args, { env, encoding: 'utf8', timeout: 600_000 })
  if (status === 0) return
  console.error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
  process.exit(1)
}

function isThere(command: string): boolean {
  if (isAbsolute(command)) return existsSync(command)
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      // looked for in the next folder
    }
  }
  return false
}
