import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StatusView } from '../../server/api/routes-status.ts'
import { eventually } from '../support/eventually.ts'
import type { CommandResult } from './commands.ts'
import type { Host } from './host.ts'
import type { HostProcess } from './process.ts'
import { createWorld, type World } from './world.ts'

/**
 * A whole mesh in network namespaces: a server on a host of its own (`cp`) and an agent on each other host, run as an
 * operator runs them, by the `weft` command.
 */

export interface MeshOptions<Name extends string> {
  readonly hosts: readonly Name[]
  /** Hosts without an agent: strangers. */
  readonly withoutAgent?: readonly Name[]
  /** Files of the static registry, by name. */
  readonly files: (hosts: Readonly<Record<Name, Host>>) => Readonly<Record<string, string>>
  /** Runs when the hosts are there and the server is not. */
  readonly beforeServer?: (hosts: Readonly<Record<Name | 'cp', Host>>) => Promise<void>
  /** Registries beside the static one. */
  readonly registries?: (hosts: Readonly<Record<Name | 'cp', Host>>) => readonly object[]
  /** Identities that join tokens name, by host; without, what the files place there. */
  readonly identities?: Partial<Record<Name, readonly string[]>>
  /** Runs what `npm run build` made instead of the sources: what is installed, and what is measured. */
  readonly built?: boolean
  /** Further settings of the server. */
  readonly server?: Readonly<Record<string, unknown>>
  /** Further settings of every agent. */
  readonly agent?: Readonly<Record<string, unknown>>
  /** Agents that talk to the server by gRPC instead of WebSocket. */
  readonly overGrpc?: readonly Name[]
}

/** One process of Weft that can be killed and started again. */
export interface WeftProcess {
  /** The running process; throws when there is none. */
  readonly process: HostProcess
  start(): Promise<void>
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Its last lines, for the error of a test that failed. */
  last(): string
}

export interface Mesh<Name extends string> extends Omit<World<Name | 'cp'>, 'hosts'> {
  readonly hosts: Readonly<Record<Name | 'cp', Host>>
  readonly server: WeftProcess
  readonly agents: Readonly<Record<Name, WeftProcess>>
  /** Runs an operator's verb on the server's host and gives its output; throws when it fails. */
  weft(...args: string[]): Promise<string>
  /** The same, whatever its exit code. */
  tryWeft(...args: string[]): Promise<CommandResult>
  /** Applies resources given as text. */
  apply(yaml: string): Promise<void>
  status(): Promise<StatusView>
  /** Replaces a file of the static registry. */
  writeFile(name: string, text: string): void
  /** Waits until every agent is connected and has taken the newest config. */
  settled(): Promise<void>
  /** A host's access log so far, parsed. */
  accessLog(host: Name): readonly Readonly<Record<string, unknown>>[]
}

/** A machine that does much else starts a host's programs one after the other. */
const patienceMs = 90_000
const root = join(import.meta.dirname, '../..')

/** Starts the mesh and waits until it has settled; everything is taken down at the end of the test. */
export async function createMesh<Name extends string>(
  t: { teardown(run: () => unknown): unknown },
  options: MeshOptions<Name>,
): Promise<Mesh<Name>> {
  // Warnings of Node about itself are not part of what a command says.
  const cli = join(root, options.built === true ? 'dist/cli/main.js' : 'cli/main.ts')
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', cli] as const
  const world = await createWorld<Name | 'cp'>(t, { hosts: ['cp', ...options.hosts] })
  const { hosts, directory } = world
  const at = (name: string) => join(directory, name)
  const files = at('services')
  mkdirSync(files)
  const writeFile = (name: string, text: string) => writeFileSync(join(files, name), text)
  for (const [name, text] of Object.entries(options.files(hosts))) writeFile(name, text)

  await options.beforeServer?.(hosts)
  const registries = [{ name: 'files', kind: 'static', directory: files }, ...(options.registries?.(hosts) ?? [])]
  writeFileSync(at('server.json'), JSON.stringify({ dataDir: at('server'), registries, ...options.server }))
  const server = weftProcess(hosts.cp, node, ['server', '--config', at('server.json')], 'server is running')
  await server.start()

  const tokenFile = join(at('server'), 'admin-token')
  const verb = (args: readonly string[]) => [...node.slice(1), ...args, '--token-file', tokenFile]
  const weft = (...args: string[]) => hosts.cp.must(node[0], verb(args))
  const status = async (): Promise<StatusView> => JSON.parse(await weft('status', '-o', 'json'))

  const agents: Partial<Record<Name, WeftProcess>> = {}
  const meshed = options.hosts.filter(name => options.withoutAgent?.includes(name) !== true)
  await Promise.all(
    meshed.map(async name => {
      const host = hosts[name]
      host.resolvConf('nameserver 10.77.0.1\n')
      const config = at(`${name}.json`)
      const settings = {
        node: name,
        server: {
          host: hosts.cp.address4,
          transport: options.overGrpc?.includes(name) === true ? 'grpc' : 'websocket',
        },
        stateDir: at(`${name}-state`),
        adminSocket: at(`${name}.sock`),
        accessLog: at(`${name}.access.log`),
        capture: { dns: true },
        threads: 1,
        ...options.agent,
      }
      writeFileSync(config, JSON.stringify(settings))
      const identities = (options.identities?.[name] ?? []).flatMap(identity => ['--identity', identity])
      const token = await weft('token', 'create', '--node', name, ...identities)
      writeFileSync(at(`${name}.token`), token, { mode: 0o600 })
      await host.must(node[0], [
        ...node.slice(1),
        'agent',
        'join',
        '--config',
        config,
        '--token-file',
        at(`${name}.token`),
      ])
      const agent = weftProcess(
        host,
        node,
        ['agent', 'run', '--config', config],
        /connected to the server|serving the config/,
        'system.slice/weft-agent.service',
      )
      agents[name] = agent
      await agent.start()
    }),
  )

  const mesh: Mesh<Name> = {
    ...world,
    server,
    agents: agents as Record<Name, WeftProcess>,
    weft,
    tryWeft: (...args) => hosts.cp.exec(node[0], verb(args)),
    async apply(yaml) {
      writeFileSync(at('apply.yaml'), yaml)
      await weft('apply', '--yes', '-f', at('apply.yaml'))
    },
    status,
    writeFile,
    settled: () =>
      eventually(async () => {
        const now = await status()
        const isSettled =
          now.registries.every(registry => registry.state !== 'starting') &&
          meshed.every(name => {
            const agent = now.agents.find(one => one.node === name)
            return agent?.state === 'connected' && agent.answeredVersion >= agent.configVersion
          })
        if (isSettled) return
        const said = meshed.map(name => `${name} said:\n${agents[name]?.last() ?? ''}`)
        throw new Error([`not all agents have taken the newest config: ${JSON.stringify(now)}`, ...said].join('\n'))
      }, patienceMs),
    accessLog: host =>
      readFileSync(at(`${host}.access.log`), 'utf8')
        .split('\n')
        .filter(line => line !== '')
        .map(line => JSON.parse(line)),
  }
  await mesh.settled()
  return mesh
}

/** A program that says on standard output when it runs. */
function weftProcess(
  host: Host,
  node: readonly [string, ...string[]],
  args: readonly string[],
  running: RegExp | string,
  cgroup?: string,
): WeftProcess {
  let current: HostProcess | undefined
  return {
    get process() {
      if (current === undefined) throw new Error(`${args.join(' ')} is not running`)
      return current
    },
    async start() {
      current = host.spawn(node[0], [...node.slice(1), ...args], cgroup === undefined ? {} : { cgroup })
      await current.line(running, patienceMs)
    },
    last() {
      const { stdout = '', stderr = '' } = current?.output ?? {}
      return [...stdout.split('\n').slice(-20), ...stderr.split('\n').slice(-20)].join('\n')
    },
    async kill(signal = 'SIGKILL') {
      await current?.kill(signal)
      current = undefined
    },
  }
}
