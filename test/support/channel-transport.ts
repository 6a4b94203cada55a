import type { Test } from 'tap'
import type { ConnectOptions } from '../../agent/control/dial.ts'
import type { Running } from '../../mesh/std/lifecycle.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import type { Channel } from '../../mesh/wire/channel.ts'
import type { AgentMessage, ServerMessage } from '../../mesh/wire/messages.ts'
import type { AgentCertificate, ListenCredentials, ListenOptions, OnAgent } from '../../server/push/listen.ts'
import { type TestAuthority, testAuthority } from './authority.ts'

/** The two halves of one transport of the control channel. */
export interface Transport {
  readonly alpn: 'http/1.1' | 'h2'
  connect(options: ConnectOptions, signal: AbortSignal): Promise<Channel<ServerMessage, AgentMessage>>
  serve(options: ListenOptions, onAgent: OnAgent): Promise<Running>
}

export interface Accepted {
  readonly server: Channel<AgentMessage, ServerMessage>
  readonly node: string
  readonly certificate: AgentCertificate
}

const hourMs = 3_600_000

/** A key and chain for an identity, valid now. */
export function credentialsOf(authority: TestAuthority, identity: string, lifetimeMs = hourMs) {
  const now = Date.now()
  return authority.issue(identity, { notBefore: now - hourMs, notAfter: now + lifetimeMs })
}

/** A server of one transport on a free port of loopback, and how to call it. */
export async function startTransport(t: Test, transport: Transport, settings: Partial<ListenOptions> = {}) {
  const authority = testAuthority(Date.now())
  const { root, trustDomain } = authority
  const own: ListenCredentials = {
    roots: [root],
    ...credentialsOf(authority, `spiffe://${trustDomain}/mesh/server/s1`),
  }
  const credentials = new Watch(own)
  const waiting: ((accepted: Accepted) => void)[] = []
  const accepted: Accepted[] = []
  const running = await transport.serve(
    { host: '127.0.0.1', port: 0, credentials, trustDomain, log: silentLog, ...settings },
    (server, node, certificate) => {
      accepted.push({ server, node, certificate })
      waiting.shift()?.({ server, node, certificate })
    },
  )
  t.teardown(() => running.stop())
  const port = Number(running.addresses.control?.split(':').at(-1))

  /** What an agent called `node` connects with; anything may be replaced. */
  const options = (node = 'vm-17', other: Partial<ConnectOptions> = {}): ConnectOptions => ({
    host: '127.0.0.1',
    port,
    roots: [root],
    ...credentialsOf(authority, `spiffe://${trustDomain}/mesh/agent/${node}`),
    trustDomain,
    ...other,
  })

  const connect = async (node?: string, other?: Partial<ConnectOptions>) => {
    const arrived = new Promise<Accepted>(resolve => waiting.push(resolve))
    const agent = await transport.connect(options(node, other), AbortSignal.timeout(10_000))
    t.teardown(() => agent.close('the test is over'))
    return { agent, ...(await arrived) }
  }
  return { authority, credentials, running, port, options, connect, accepted }
}
