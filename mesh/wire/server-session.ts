import { assertNever } from '../std/assert-never.ts'
import type { Clock, Timer } from '../std/clock.ts'
import type { ErrorCode } from '../std/error-catalogue.ts'
import { describeError, MeshError } from '../std/errors.ts'
import type { Log } from '../std/log.ts'
import { Watch } from '../std/watch.ts'
import type { Channel } from './channel.ts'
import { type AgentView, currentRejections, isPolicy, nextDelta, offeredView, type Rejection } from './delta.ts'
import { startHeartbeat } from './heartbeat.ts'
import {
  type AgentMessage,
  type Hello,
  type HostReport,
  type Push,
  protocolVersion,
  type RejectedResource,
  type ServerMessage,
  type SignRequest,
} from './messages.ts'

export type { AgentView } from './delta.ts'

const helloTimeoutMs = 5_000
const ackTimeoutMs = 60_000
const maxBufferedBytes = 64 * 1024 * 1024
const maxSigning = 4
const maxMessagesPerWindow = 1_000
const windowMs = 10_000
/** Complaints about resources that were not in the push are shown, but no agent may fill the server's memory. */
const maxComplaints = 100

export interface ServerSessionOptions {
  readonly channel: Channel<AgentMessage, ServerMessage>
  /** What the agent is to have; undefined while nothing has been compiled for it yet. */
  readonly view: Watch<AgentView | undefined>
  /** Decides on a PKCS#10 request in DER and gives the chain, leaf first, PEM; throws a MeshError to refuse. */
  sign(identity: string, csr: Buffer): Promise<readonly string[]>
  /** What the agent says about its host's workloads; each report replaces the one before. */
  onReport(report: HostReport): void
  readonly clock: Clock
  readonly log: Log
  readonly serverName: string
  readonly serverVersion: string
}

/** What the server knows about one connected agent. */
export interface SessionStatus {
  /** The last version that the agent has in use, save what is in `rejected`; 0 before the first. */
  readonly ackedVersion: number
  /** The last version sent; more than `ackedVersion` while an acknowledgement is awaited. */
  readonly sentVersion: number
  readonly rejected: readonly RejectedResource[]
  /** Hash of the trust resource that the agent has in use; absent while it has none. */
  readonly trust?: string
  /** When the agent was last heard, in milliseconds since 1970. */
  readonly lastSeen: number
  readonly facts: Readonly<Record<string, string>>
  /** Empty until the agent has said hello. */
  readonly agentVersion: string
}

/** The server's side of one agent's connection. */
export interface ServerSession {
  readonly status: Watch<SessionStatus>
  /** Tells the agent why it is not served, and closes. */
  refuse(code: ErrorCode, reason: string): void
  close(reason: string): void
  /** Resolves with the reason when the session is over; never rejects. */
  readonly closed: Promise<string>
}

interface Outstanding {
  readonly push: Push
  readonly complete: boolean
  readonly timer: Timer
}

/** Waits for an agent's hello and then brings it, and keeps it, to the view, one push at a time. */
export function startServerSession(options: ServerSessionOptions): ServerSession {
  const { channel, view, clock, log } = options
  const nobody = { ackedVersion: 0, sentVersion: 0, rejected: [], facts: {}, agentVersion: '' }
  const status = new Watch<SessionStatus>({ ...nobody, lastSeen: clock.now() })
  const closed = Promise.withResolvers<string>()
  const applied = new Map<string, string>()
  let rejected: ReadonlyMap<string, Rejection> = new Map()
  let complaints: readonly RejectedResource[] = []
  let capabilities: ReadonlySet<string> = new Set()
  let withheld: readonly RejectedResource[] = []
  let greeted = false
  let over = false
  let outstanding: Outstanding | undefined
  let first = true
  let signing = 0
  let window = { since: clock.monotonic(), messages: 0 }

  const heartbeat = startHeartbeat({
    clock,
    ping: id => send({ kind: 'ping', id }),
    silent: () => channel.close('the agent has been silent for 20 s'),
  })
  const helloTimer = clock.timer(helloTimeoutMs, () => channel.close('the agent did not say hello within 5 s'))
  const unsubscribe = view.subscribe(pump)
  channel.onClose(end)
  channel.onMessage(receive)

  function receive(message: AgentMessage): void {
    if (over) return
    if (isFlood()) return refuse('WEFT_WIRE', `more than ${maxMessagesPerWindow} messages in 10 s`)
    heartbeat.heard()
    status.set({ ...status.value, lastSeen: clock.now() })
    if (greeted === (message.kind === 'hello')) return refuse('WEFT_WIRE', 'hello must come first, and once')
    switch (message.kind) {
      case 'hello':
        return greet(message)
      case 'ack':
        return acknowledged(message.version, [])
      case 'nack':
        return acknowledged(message.version, message.rejected)
      case 'ping':
        return send({ kind: 'pong', id: message.id })
      case 'pong':
        return
      case 'sign-request':
        return void sign(message)
      case 'report':
        return options.onReport(message)
      default:
        assertNever(message)
    }
  }

  function greet(hello: Hello): void {
    helloTimer.cancel()
    if (hello.protocol < 1 || Math.abs(hello.protocol - protocolVersion) > 1) {
      return refuse('WEFT_WIRE', `the agent speaks protocol ${hello.protocol}, this server ${protocolVersion}`)
    }
    greeted = true
    capabilities = new Set(hello.capabilities)
    for (const { name, hash } of hello.have) applied.set(name, hash)
    status.set({ ...status.value, ...heldTrust(), facts: hello.facts, agentVersion: hello.agentVersion })
    const { serverName, serverVersion } = options
    send({ kind: 'welcome', protocol: Math.min(hello.protocol, protocolVersion), serverName, serverVersion })
    pump()
  }

  /** Sends the next push, unless one is still unacknowledged or there is nothing to say. */
  function pump(): void {
    if (over || !greeted || outstanding !== undefined || view.value === undefined) return
    const offered = offeredView(view.value, capabilities)
    const wanted = offered.view
    withheld = offered.withheld
    rejected = currentRejections(wanted, rejected)
    const delta = nextDelta(wanted, { applied, rejected })
    const { version } = wanted
    // The first push goes out even when it is empty: its acknowledgement shows that the agent runs this version.
    if (!first && delta.changed.length === 0 && delta.removed.length === 0) {
      return status.set({ ...status.value, sentVersion: version, ackedVersion: version, rejected: shownRejections() })
    }
    const full = first && applied.size === 0 && delta.complete
    first = false
    const push: Push = { kind: 'push', version, full, changed: delta.changed, removed: delta.removed }
    const timer = clock.timer(ackTimeoutMs, () => channel.close('the agent did not acknowledge a push within 60 s'))
    outstanding = { push, complete: delta.complete, timer }
    status.set({ ...status.value, sentVersion: version })
    send(push)
  }

  function acknowledged(version: number, refusals: readonly RejectedResource[]): void {
    if (outstanding?.push.version !== version)
      return refuse('WEFT_WIRE', `version ${version} was not awaiting an answer`)
    const { push, complete, timer } = outstanding
    timer.cancel()
    outstanding = undefined
    const reasons = new Map(refusals.map(({ name, reason }) => [name, reason]))
    const next = new Map(rejected)
    for (const { name, hash } of push.changed) {
      const reason = reasons.get(name)
      if (reason === undefined) applied.set(name, hash)
      else next.set(name, { name, hash, reason })
      // the agent holds its place as long as it is not removed: what it protects is closed
      if (reason !== undefined && isPolicy(name) && !applied.has(name)) applied.set(name, '')
      if (reason === undefined) next.delete(name)
      reasons.delete(name)
    }
    // A removal that was refused is shown, not repeated: asking again could only be refused again.
    for (const name of push.removed) applied.delete(name)
    rejected = next
    complaints = [...reasons].slice(0, maxComplaints).map(([name, reason]) => ({ name, reason }))
    if (refusals.length > 0) log.warn('agent refused part of its config', { version, rejected: refusals.slice(0, 10) })
    const ackedVersion = complete ? version : status.value.ackedVersion
    status.set({ ...status.value, ...heldTrust(), ackedVersion, rejected: shownRejections() })
    pump()
  }

  function heldTrust(): { readonly trust?: string } {
    const trust = applied.get('trust')
    return trust === undefined ? {} : { trust }
  }

  async function sign(request: SignRequest): Promise<void> {
    const { id } = request
    if (signing >= maxSigning) {
      const reason = `more than ${maxSigning} signing requests at once`
      return send({ kind: 'sign-response', id, chain: [], error: { code: 'WEFT_CSR_REFUSED', reason } })
    }
    signing += 1
    try {
      send({ kind: 'sign-response', id, chain: await options.sign(request.identity, request.csr) })
    } catch (error) {
      log.warn('signing request refused', { identity: request.identity, error: describeError(error) })
      // Only what is meant for the other side leaves this one.
      const { code, message: reason } =
        error instanceof MeshError ? error : new MeshError('WEFT_STORE', 'the server could not sign')
      send({ kind: 'sign-response', id, chain: [], error: { code, reason } })
    } finally {
      signing -= 1
    }
  }

  function send(message: ServerMessage): void {
    if (over) return
    channel.send(message)
    if (channel.bufferedBytes() > maxBufferedBytes) channel.close('the agent does not read what it is sent')
  }

  function isFlood(): boolean {
    if (clock.monotonic() - window.since >= windowMs) window = { since: clock.monotonic(), messages: 0 }
    window.messages += 1
    return window.messages > maxMessagesPerWindow
  }

  function shownRejections(): readonly RejectedResource[] {
    return [...[...rejected.values()].map(({ name, reason }) => ({ name, reason })), ...withheld, ...complaints]
  }

  function refuse(code: ErrorCode, reason: string): void {
    send({ kind: 'refused', code, reason })
    channel.close(reason)
  }

  function end(reason: string): void {
    over = true
    heartbeat.stop()
    helloTimer.cancel()
    outstanding?.timer.cancel()
    unsubscribe()
    closed.resolve(reason)
  }

  return { status, refuse, close: reason => channel.close(reason), closed: closed.promise }
}
