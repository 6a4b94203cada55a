import type { CommandResult } from '../../test/netns/commands.ts'
import { cgroups } from './services.ts'
import type { DemoHost, DemoMesh } from './stage.ts'
import type { Teller } from './teller.ts'

/** Who runs a command: the workloads of the demo, or nobody in particular. */
const as: Readonly<Record<keyof typeof cgroups | 'root', { readonly cgroup?: string }>> = {
  web: { cgroup: cgroups.web },
  api: { cgroup: cgroups.api },
  reports: { cgroup: cgroups.reports },
  echo: { cgroup: cgroups.echo },
  payments: { cgroup: cgroups.payments },
  root: {},
}

type Caller = keyof typeof as

/** Runs real commands on the demo's hosts and tells each with what it printed. */
export interface Commands {
  run(host: DemoHost, who: Caller, file: string, ...args: string[]): Promise<CommandResult>
  /** A command line for a shell, told as it is. */
  shell(host: DemoHost, who: Caller, line: string): Promise<CommandResult>
  curl(host: DemoHost, who: Caller, url: string, ...args: string[]): Promise<CommandResult>
  /** An operator's verb on the server's host; gives what it printed on standard output. */
  weft(...args: string[]): Promise<string>
}

/** The commands of one demo. */
export function commandsOf(mesh: DemoMesh, tell: Teller): Commands {
  const exec = async (host: DemoHost, who: Caller, shown: string, file: string, args: readonly string[]) => {
    const result = await mesh.hosts[host].exec(file, args, { ...as[who], timeoutMs: 60_000 })
    tell.command(who === 'root' ? host : `${host} as ${who}`, shown, outputOf(result))
    return result
  }
  const run: Commands['run'] = (host, who, file, ...args) => {
    return exec(host, who, [file, ...args].map(quoted).join(' '), file, args)
  }
  return {
    run,
    shell: (host, who, line) => exec(host, who, line, 'bash', ['-c', line]),
    curl: (host, who, url, ...args) => run(host, who, 'curl', '-sS', '-m', '5', ...args, url),
    async weft(...args) {
      const result = await mesh.tryWeft(...args)
      tell.command('cp', `weft ${args.map(quoted).join(' ')}`, outputOf(result))
      return result.stdout
    },
  }
}

function outputOf({ code, stdout, stderr }: CommandResult): string {
  return code === 0 ? stdout : `${stdout}(exit ${code}) ${stderr}`.trimEnd()
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`
}
