import type { Clock } from '../../mesh/std/clock.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import type { Channel } from '../../mesh/wire/channel.ts'
import type { AgentView } from '../../mesh/wire/delta.ts'
import type { AgentMessage, HostReport, ServerMessage } from '../../mesh/wire/messages.ts'
import { type ServerSession, type SessionStatus, startServerSession } from '../../mesh/wire/server-session.ts'
import type { SignRequest } from '../identity/sign.ts'
import type { AgentStatus } from '../status.ts'
import type { NodeRecord } from '../store/store.ts'
import type { AgentCertificate, OnAgent } from './listen.ts'
import type { Views } from './views.ts'

export type Transport = 'websocket' | 'grpc'

export interface PusherDeps {
  readonly clock: Clock
  readonly log: Log
  readonly views: Views
  readonly nodes: Watch<ReadonlyMap<string, NodeRecord>>
  /** Decides on a signing request of a node's agent; throws a MeshError to refuse. */
  readonly sign: (request: SignRequest) => Promise<readonly string[]>
  /** What a connected node says about its own workloads. */
  readonly report: (node: string, report: HostReport) => void
  /** A node is not connected any more; a session that a newer one of its node has replaced does not count. */
  readonly left: (node: string) => void
  readonly observe: PushObserver
  /** The node has this trust resource in use (its hash). */
  readonly trustHeld?: (node: string, hash: string) => void
}

/** What is counted. */
export interface PushObserver {
  pushed(): void
  rejected(resources: number): void
}

export interface PusherOptions {
  readonly serverName: string
  readonly serverVersion: string
}

/** Keeps every connected agent at its view, and knows how each of them is. */
export interface Pusher {
  /** Takes the agents that a transport has authenticated. */
  accept(transport: Transport): OnAgent
  /** Every node that has joined, ordered by name. */
  agents(): readonly AgentStatus[]
  stop(): Promise<void>
}

interface Connected {
  readonly transport: Transport
  readonly since: number
  readonly certificate: AgentCertificate
  readonly session: ServerSession
  readonly view: Watch<AgentView | undefined>
}

/**
 * Serves the agents: one session a node, the newest channel wins. An agent that has not joined, or was banned, is told
 * so and closed; banning one closes its session at once.
 */
export function startPusher(deps: PusherDeps, options: PusherOptions): Pusher {
  const connected = new Map<string, Connected>()
  const gone = new Map<string, AgentStatus>()
  const ends = new Set<Promise<string>>()
  const unsubscribe = deps.nodes.subscribe(nodes => {
    for (const [node, { session, certificate }] of connected) {
      const problem = unwelcome(nodes.get(node), certificate)
      if (problem !== undefined) session.refuse('WEFT_IDENTITY_NOT_PLACED', problem)
    }
  })

  const accept = (
    transport: Transport,
    channel: Channel<AgentMessage, ServerMessage>,
    node: string,
    certificate: AgentCertificate,
  ): void => {
    const { clock, views } = deps
    const log = deps.log.child({ node, transport })
    const { view, release } = views.follow(node)
    const session = startServerSession({
      channel,
      view,
      sign: (identity, csr) => deps.sign({ node, currentIdentity: certificate.id, identity, csr }),
      onReport(report) {
        if (connected.get(node)?.session === session) deps.report(node, report)
      },
      clock,
      log,
      ...options,
    })
    ends.add(session.closed)
    void session.closed.then(reason => {
      ends.delete(session.closed)
      release()
      const mine = connected.get(node)
      if (mine?.session !== session) return
      gone.set(node, { ...statusOf(node, mine), state: 'stale', since: clock.now(), lastClose: reason })
      connected.delete(node)
      deps.left(node)
      log.info('agent disconnected', { reason })
    })
    const problem = unwelcome(deps.nodes.value.get(node), certificate)
    if (problem !== undefined) {
      log.warn('agent is refused', { reason: problem, peer: certificate.remoteAddress })
      return session.refuse('WEFT_IDENTITY_NOT_PLACED', problem)
    }
    const other = connected.get(node)
    connected.set(node, { transport, since: clock.now(), certificate, session, view })
    gone.delete(node)
    if (other !== undefined) replace(other, certificate, log)
    session.status.subscribe(observer(deps.observe))
    session.status.subscribe(({ trust }) => {
      if (trust !== undefined && connected.get(node)?.session === session) deps.trustHeld?.(node, trust)
    })
    log.info('agent connected', { peer: certificate.remoteAddress })
  }

  return {
    accept: transport => (channel, node, certificate) => accept(transport, channel, node, certificate),
    agents() {
      return [...deps.nodes.value.values()]
        .map(({ name, banned, joinedAt }): AgentStatus => {
          const now = connected.get(name)
          const status = now === undefined ? (gone.get(name) ?? unseen(name, joinedAt)) : statusOf(name, now)
          return { ...status, banned }
        })
        .sort((a, b) => (a.node < b.node ? -1 : 1))
    },
    async stop() {
      unsubscribe()
      for (const { session } of connected.values()) session.close('the server is stopping')
      await Promise.all(ends)
    },
  }
}

/**
 * Why an agent is not served; undefined when it is. A node that has joined again has a new key, and whoever holds the
 * old one, a copied disk or the machine that was replaced, is not that node any more.
 */
function unwelcome(record: NodeRecord | undefined, { keyHash }: AgentCertificate): string | undefined {
  if (record === undefined) return 'this node has not joined this mesh'
  if (record.banned) return 'this node is banned'
  return record.keyHash === keyHash ? undefined : 'this node has joined again with another key'
}

/**
 * A second channel is mostly the same agent come back before its old connection was seen to be dead; from another
 * address it may be a copied disk, and someone should look.
 */
function replace(other: Connected, certificate: AgentCertificate, log: Log): void {
  const fields = { peer: certificate.remoteAddress, before: other.certificate.remoteAddress }
  if (fields.peer === fields.before) log.info('agent came back, its older connection is closed', fields)
  else log.error('two agents use the certificate of one node, the newer is served', fields)
  other.session.close('a newer connection of this node is served')
}

function observer(observe: PushObserver): (status: SessionStatus) => void {
  let sent = 0
  let rejected: SessionStatus['rejected'] = []
  return status => {
    if (status.sentVersion > sent) observe.pushed()
    sent = status.sentVersion
    if (status.rejected === rejected) return
    const known = new Set(rejected.map(({ name, reason }) => `${name} ${reason}`))
    const fresh = status.rejected.filter(({ name, reason }) => !known.has(`${name} ${reason}`))
    if (fresh.length > 0) observe.rejected(fresh.length)
    rejected = status.rejected
  }
}

function statusOf(node: string, { transport, since, certificate, session, view }: Connected): AgentStatus {
  const { facts, agentVersion, ackedVersion, rejected } = session.status.value
  return {
    node,
    state: 'connected',
    since,
    banned: false,
    transport,
    remoteAddress: certificate.remoteAddress,
    agentVersion,
    facts,
    configVersion: view.value?.version ?? 0,
    answeredVersion: ackedVersion,
    rejected,
    certificateExpiresAt: certificate.notAfter,
  }
}

function unseen(node: string, since: number): AgentStatus {
  return { node, state: 'never', since, banned: false, facts: {}, configVersion: 0, answeredVersion: 0, rejected: [] }
}
