import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type Agent, startAgent } from '../../agent/agent.ts'
import { type AgentSettings, loadAgentSettings } from '../../agent/config.ts'
import { agentState } from '../../agent/control/agent-state.ts'
import { openStateDirectory } from '../../agent/control/state-directory.ts'
import type { AgentResource } from '../../mesh/model/agent-config.ts'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import type { Running } from '../../mesh/std/lifecycle.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import { encodeResource } from '../../mesh/wire/agent-config-codec.ts'
import type { HostReport } from '../../mesh/wire/messages.ts'
import { type AgentView, type ServerSession, startServerSession } from '../../mesh/wire/server-session.ts'
import type { ListenCredentials, ListenOptions, OnAgent } from '../../server/push/listen.ts'
import { serveWs } from '../../server/push/ws.ts'
import { type TestAuthority, testAuthority } from './authority.ts'

const hour = 3_600_000
const validity = () => ({ notBefore: Date.now() - hour, notAfter: Date.now() + 24 * hour })

/** A mesh with one server and one joined host, without capture: everything real but the server's decisions. */
export interface AgentWorld {
  readonly authority: TestAuthority
  readonly stateDir: string
  /** What the server wants the agent to have. */
  readonly view: Watch<AgentView | undefined>
  /** Sessions in the order in which they began. */
  readonly sessions: ServerSession[]
  /** Identities asked for; the server signs them unless {@link AgentWorld.refuse} names them. */
  readonly asked: string[]
  readonly refuse: Set<string>
  /** What the agent said about its host's workloads, newest last. */
  readonly reports: HostReport[]
  /** The environment that configures an agent for this world. */
  env(more?: Readonly<Record<string, string>>): Record<string, string>
  settings(more?: Readonly<Record<string, string>>): AgentSettings
  start(more?: Readonly<Record<string, string>>): Promise<Agent>
  push(...resources: AgentResource[]): void
  startServer(): Promise<void>
  stopServer(): Promise<void>
}

type Serve = (options: ListenOptions, onAgent: OnAgent) => Promise<Running>

/** Makes it, with the server running. */
export async function agentWorld(t: Test, serve: Serve = serveWs): Promise<AgentWorld> {
  const authority = testAuthority(Date.now())
  const { trustDomain } = authority
  const folder = mkdtempSync(join(tmpdir(), 'weft-agent-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const stateDir = join(folder, 'state')
  const nodeId = `spiffe://${trustDomain}/mesh/agent/vm-1`
  const state = agentState(await openStateDirectory(stateDir, { clock: systemClock, log: silentLog }))
  await state.saveNode({ identity: nodeId, ...authority.issue(nodeId, validity()) })
  await state.saveTrust({ trustDomain, sequence: -1, roots: [authority.root] })

  const view = new Watch<AgentView | undefined>(undefined)
  const sessions: ServerSession[] = []
  const asked: string[] = []
  const refuse = new Set<string>()
  const reports: HostReport[] = []
  const credentials = new Watch<ListenCredentials>({
    roots: [authority.root],
    ...authority.issue(`spiffe://${trustDomain}/mesh/server/s1`, validity()),
  })
  let server: Running | undefined
  let port = 0
  const world: AgentWorld = {
    authority,
    stateDir,
    view,
    sessions,
    asked,
    refuse,
    reports,
    env: more => ({
      WEFT_AGENT_NODE: 'vm-1',
      WEFT_AGENT_SERVER_HOST: '127.0.0.1',
      WEFT_AGENT_SERVER_WEBSOCKET_PORT: String(port),
      WEFT_AGENT_SERVER_GRPC_PORT: String(port),
      WEFT_AGENT_STATE_DIR: stateDir,
      WEFT_AGENT_PORTS_OUTBOUND: '0',
      WEFT_AGENT_PORTS_INBOUND: '0',
      WEFT_AGENT_PORTS_HBONE: '0',
      WEFT_AGENT_PORTS_METRICS: '0',
      WEFT_AGENT_PORTS_READINESS: '0',
      WEFT_AGENT_PORTS_DNS: '0',
      WEFT_AGENT_METRICS_HOST: '127.0.0.1',
      WEFT_AGENT_THREADS: '1',
      WEFT_AGENT_CAPTURE_ENABLED: 'false',
      WEFT_AGENT_ACCESS_LOG: '',
      WEFT_AGENT_ADMIN_SOCKET: join(folder, 'agent.sock'),
      ...more,
    }),
    settings: more => loadAgentSettings({ flags: {}, env: world.env(more) }),
    async start(more) {
      const agent = await startAgent(world.settings(more), { clock: systemClock, random: systemRandom, log: silentLog })
      t.teardown(() => agent.stop())
      return agent
    },
    push(...resources) {
      view.set({
        version: (view.value?.version ?? 0) + 1,
        resources: new Map(resources.map(encodeResource).map(encoded => [encoded.name, encoded])),
      })
    },
    async startServer() {
      server = await serve({ host: '127.0.0.1', port, credentials, trustDomain, log: silentLog }, channel => {
        const session = startServerSession({
          channel,
          view,
          onReport: report => void reports.push(report),
          clock: systemClock,
          log: silentLog,
          serverName: 's1',
          serverVersion: 'test',
          async sign(identity, csr) {
            asked.push(identity)
            if (refuse.has(identity)) throw new Error('nothing places it here')
            return authority.sign(identity, csr, validity())
          },
        })
        sessions.push(session)
      })
      port = Number(server.addresses.control?.split(':').at(-1))
    },
    async stopServer() {
      await server?.stop()
      server = undefined
    },
  }
  await world.startServer()
  t.teardown(() => world.stopServer())
  return world
}

/** One HTTP request to a socket path or to `host:port`. */
export function ask(to: string, method: string, path: string): Promise<{ status: number; body: string }> {
  const [host, port] = to.split(':')
  const target = to.startsWith('/') ? { socketPath: to } : { host, port: Number(port) }
  return new Promise((resolve, reject) => {
    const asking = request({ ...target, method, path, agent: false }, response => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', chunk => {
        body += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      response.on('error', reject)
    })
    asking.on('error', reject)
    asking.end()
  })
}
