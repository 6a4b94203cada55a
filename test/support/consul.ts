import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseInstances } from '../../registry-adapters/consul/answers.ts'
import { eventually } from './eventually.ts'
import { httpOnce } from './http-json.ts'

export interface ConsulStart {
  /** Added to the agent's configuration file. */
  readonly config?: Readonly<Record<string, unknown>>
  /** A server that keeps its state on disk, so that `restart` finds what was there; else `-dev`, which forgets. */
  readonly persistent?: boolean
  /** Sent with the helper's own requests. */
  readonly token?: string
}

/** What is registered: Consul's own form of `/v1/catalog/register`. */
export interface ConsulRegistration {
  readonly Node: string
  readonly Address: string
  readonly NodeMeta?: Readonly<Record<string, string>>
  readonly TaggedAddresses?: Readonly<Record<string, string>>
  readonly Service?: Readonly<Record<string, unknown>>
  readonly Check?: Readonly<Record<string, unknown>>
  readonly Checks?: readonly Readonly<Record<string, unknown>>[]
}

/** A real Consul agent, on free ports of 127.0.0.1. */
export interface RunningConsul {
  readonly address: string
  readonly httpsAddress: string
  /** Asks the HTTP API, path without `/v1`; throws for anything but 200. */
  api(method: string, path: string, body?: unknown): Promise<unknown>
  register(registration: ConsulRegistration): Promise<void>
  deregister(what: { readonly Node: string; readonly ServiceID?: string; readonly CheckID?: string }): Promise<void>
  /** Ends the process with SIGKILL. */
  kill(): Promise<void>
  /** Starts it again on the same ports and waits until it has a leader. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Starts Consul 1.8.7 and waits until it has a leader and is in its own catalogue. */
export async function startConsul(start: ConsulStart = {}): Promise<RunningConsul> {
  const binary = execFileSync(join(import.meta.dirname, '../../scripts/get-consul.sh'), { encoding: 'utf8' }).trim()
  const directory = mkdtempSync(join(tmpdir(), 'weft-consul-'))
  const [http = 0, https = 0, server = 0, serf = 0] = await freePorts(4)
  const address = `http://127.0.0.1:${http}`
  const configFile = join(directory, 'agent.json')
  const logFile = join(directory, 'log')
  writeFileSync(configFile, JSON.stringify(configOf(start, directory, { http, https, server, serf_lan: serf })))
  let child: ChildProcess | undefined

  const api = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const headers = start.token === undefined ? {} : { 'x-consul-token': start.token }
    const answer = await httpOnce(method, `${address}/v1${path}`, body, headers)
    if (answer.status !== 200) throw new Error(`consul answers ${answer.status} to ${path}: ${answer.body}`)
    return JSON.parse(answer.body === '' ? 'null' : answer.body)
  }

  async function run(): Promise<void> {
    const log = openSync(logFile, 'a')
    const mode = start.persistent === true ? [] : ['-dev']
    child = spawn(binary, ['agent', ...mode, `-config-file=${configFile}`], { stdio: ['ignore', log, log] })
    const started = child
    await eventually(async () => {
      if (started.exitCode !== null) throw new Error(`consul ended: ${readFileSync(logFile, 'utf8')}`)
      const [own] = parseInstances(await api('GET', '/health/service/consul'))
      if (own === undefined) throw new Error('consul is not in its own catalogue yet')
      // The leader registers the server; its own agent adds this a moment later.
      if (own.node.meta['consul-network-segment'] === undefined) throw new Error('the agent has not synced yet')
    }, 30_000)
  }

  async function kill(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  const killAtExit = () => void child?.kill('SIGKILL')
  process.once('exit', killAtExit)
  const stop = async () => {
    await kill()
    process.off('exit', killAtExit)
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await run()
  } catch (error) {
    await stop()
    throw error
  }
  return {
    address,
    httpsAddress: `https://127.0.0.1:${https}`,
    api,
    register: async registration => void (await api('PUT', '/catalog/register', registration)),
    deregister: async what => void (await api('PUT', '/catalog/deregister', what)),
    kill,
    restart: run,
    stop,
  }
}

function configOf(start: ConsulStart, directory: string, ports: Readonly<Record<string, number>>): object {
  const { config = {}, persistent = false } = start
  const keep = { server: true, bootstrap_expect: 1, data_dir: join(directory, 'data') }
  const tls = 'cert_file' in config
  return {
    bind_addr: '127.0.0.1',
    client_addr: '127.0.0.1',
    node_name: 'consul-server',
    ports: { ...ports, https: tls ? ports.https : -1, dns: -1, grpc: -1, serf_wan: -1 },
    performance: { raft_multiplier: 1 },
    disable_update_check: true,
    log_level: 'warn',
    ...(persistent && keep),
    ...config,
  }
}

/** Ports that nothing listens on, on TCP, at this moment. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
