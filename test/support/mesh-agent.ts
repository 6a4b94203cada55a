import type { ConnectOptions } from '../../agent/control/dial.ts'
import { postJson } from '../../agent/control/first-contact.ts'
import { connectGrpc } from '../../agent/control/grpc.ts'
import { connectWs } from '../../agent/control/ws.ts'
import { createCsr } from '../../mesh/identity/csr.ts'
import { parseJoinToken } from '../../mesh/identity/join-token.ts'
import { encodePrivateKey, generateKeys } from '../../mesh/identity/keys.ts'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import { systemClock } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import { type AgentSession, startAgentSession } from '../../mesh/wire/agent-session.ts'
import type { HeldResources } from '../../mesh/wire/held-resources.ts'
import type { RejectedResource } from '../../mesh/wire/messages.ts'
import type { FlowSource, HostState } from '../../mesh/wire/report-sender.ts'

/** What a host has after joining. */
export type Joined = Pick<ConnectOptions, 'key' | 'chain' | 'roots' | 'trustDomain'>

/** The smallest real agent: the agent's own channel and session, and nothing behind them. */
export interface MeshAgent {
  readonly session: AgentSession
  /** Everything applied, newest last, with the names that changed. */
  readonly applied: { readonly config: AgentConfig; readonly changed: readonly string[] }[]
  readonly held: () => HeldResources
  close(): Promise<void>
}

/** Joins a host through a server's API with a join token. */
export async function joinHost(apiAddress: string, tokenText: string): Promise<Joined> {
  const token = parseJoinToken(tokenText)
  const keys = generateKeys()
  const request = { secret: token.secret, node: token.node, csr: createCsr(keys).toString('base64') }
  const contact = { host: '127.0.0.1', port: portOf(apiAddress), rootHash: token.rootHash }
  const { status, body } = await postJson(systemClock, contact, '/v1/join', request)
  if (status !== 200) throw new Error(`joining failed: ${JSON.stringify(body)}`)
  const { chain, roots, trustDomain } = body as { chain: string[]; roots: string[]; trustDomain: string }
  return { key: encodePrivateKey(keys.privateKey), chain: chain.join('\n'), roots, trustDomain }
}

export interface MeshAgentOptions {
  readonly transport: 'websocket' | 'grpc'
  readonly address: string
  readonly joined: Joined
  readonly held?: HeldResources
  readonly report?: Watch<HostState>
  /** Calls that it says it has seen. */
  readonly flows?: FlowSource
  readonly reject?: (changed: readonly string[]) => readonly RejectedResource[]
}

/** Connects a joined host to a server. */
export async function connectAgent(options: MeshAgentOptions): Promise<MeshAgent> {
  const connect = options.transport === 'grpc' ? connectGrpc : connectWs
  const where = { host: '127.0.0.1', port: portOf(options.address), ...options.joined }
  const channel = await connect(where, AbortSignal.timeout(10_000))
  const applied: MeshAgent['applied'] = []
  const session = startAgentSession({
    channel,
    clock: systemClock,
    log: silentLog,
    agentVersion: 'test',
    facts: { os: 'test' },
    held: options.held ?? new Map(),
    async apply(config, changed) {
      applied.push({ config, changed })
      return options.reject?.(changed) ?? []
    },
    async keep() {},
    report: options.report ?? new Watch<HostState>({ health: [], registrations: [] }),
    ...(options.flows !== undefined && { flows: options.flows }),
  })
  return {
    session,
    applied,
    held: () => session.held,
    async close() {
      session.close('the test is over')
      await session.closed
    },
  }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}
