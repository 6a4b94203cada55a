import { assertNever } from '../std/assert-never.ts'
import type { Clock, Timer } from '../std/clock.ts'
import { type ErrorCode, errorCatalogue } from '../std/error-catalogue.ts'
import { describeError, MeshError } from '../std/errors.ts'
import type { Log } from '../std/log.ts'
import { Watch } from '../std/watch.ts'
import { type Applied, type ApplyConfig, applyPush } from './apply-push.ts'
import type { Channel } from './channel.ts'
import { startHeartbeat } from './heartbeat.ts'
import { type HeldResources, haveOf } from './held-resources.ts'
import {
  type AgentMessage,
  agentCapabilities,
  type Push,
  protocolVersion,
  type RejectedResource,
  type ServerMessage,
  type SignResponse,
} from './messages.ts'
import { type FlowSource, type HostState, startReportSender } from './report-sender.ts'

const signTimeoutMs = 30_000

export interface AgentSessionOptions {
  readonly channel: Channel<ServerMessage, AgentMessage>
  readonly clock: Clock
  readonly log: Log
  readonly agentVersion: string
  /** What the host says about itself. */
  readonly facts: Readonly<Record<string, string>>
  /** What an earlier session, or the disk, has left in use: only what differs from it is sent. */
  readonly held: HeldResources
  readonly apply: ApplyConfig
  /** What the host says about its own workloads: reported after the welcome and on every change. */
  readonly report: Watch<HostState>
  /** Calls that the host has seen, which go with the reports; absent where it keeps them to itself. */
  readonly flows?: FlowSource
  /** Saves what is in use before it is acknowledged; a failure is logged and does not hold up the mesh. */
  keep(held: HeldResources): Promise<void>
}

/** How far a session has come. */
export interface AgentSessionStatus {
  /** Absent until the server has welcomed this agent. */
  readonly serverName?: string
  /** The last push that was acknowledged or refused in part; 0 before the first. */
  readonly version: number
  /** What of the last push is not in use. */
  readonly rejected: readonly RejectedResource[]
}

/** Why a session ended; `refused` when the server said so itself. */
export interface SessionEnd {
  readonly reason: string
  readonly refused?: { readonly code: string; readonly reason: string }
}

/** An agent's side of one connection to a server. */
export interface AgentSession {
  readonly status: Watch<AgentSessionStatus>
  /** What is in use now: what the next session starts from. */
  readonly held: HeldResources
  /**
   * Asks for a certificate for a PKCS#10 request in DER; gives the chain, leaf first, PEM. Throws the server's refusal
   * under its own code, and WEFT_SERVER_UNREACHABLE when the session ends or 30 s pass first.
   */
  sign(identity: string, csr: Buffer): Promise<readonly string[]>
  close(reason: string): void
  /** Resolves when the session is over and no apply of it is running any more; never rejects. */
  readonly closed: Promise<SessionEnd>
}

interface PendingSign {
  readonly timer: Timer
  settle(outcome: readonly string[] | MeshError): void
}

/** Says hello on a fresh channel and then follows the server's pushes until either side closes. */
export function startAgentSession(options: AgentSessionOptions): AgentSession {
  const { channel, clock, log } = options
  const status = new Watch<AgentSessionStatus>({ version: 0, rejected: [] })
  const signing = new Map<number, PendingSign>()
  const closed = Promise.withResolvers<SessionEnd>()
  let applied: Applied = { held: options.held, waiting: new Map(), rejected: [] }
  let applying: Promise<void> | undefined
  let refused: SessionEnd['refused']
  let over = false
  let signs = 0
  let stopReporting: (() => void) | undefined

  const heartbeat = startHeartbeat({
    clock,
    ping: id => channel.send({ kind: 'ping', id }),
    silent: () => channel.close('the server has been silent for 20 s'),
  })
  channel.onClose(end)
  channel.onMessage(receive)
  channel.send({
    kind: 'hello',
    protocol: protocolVersion,
    agentVersion: options.agentVersion,
    have: haveOf(options.held),
    facts: options.facts,
    capabilities: agentCapabilities,
  })

  function receive(message: ServerMessage): void {
    heartbeat.heard()
    switch (message.kind) {
      case 'welcome':
        if (message.protocol < 1 || Math.abs(message.protocol - protocolVersion) > 1) {
          return channel.close(`the server speaks protocol ${message.protocol}, this agent ${protocolVersion}`)
        }
        status.set({ ...status.value, serverName: message.serverName })
        stopReporting ??= startReportSender({ ...options, send: report => channel.send(report) })
        return
      case 'push':
        return push(message)
      case 'ping':
        return channel.send({ kind: 'pong', id: message.id })
      case 'pong':
        return
      case 'sign-response':
        return signing.get(message.id)?.settle(outcomeOf(message))
      case 'refused':
        refused = { code: message.code, reason: message.reason }
        return channel.close(`the server refused this agent: ${message.reason}`)
      default:
        assertNever(message)
    }
  }

  function push(message: Push): void {
    const disorder =
      status.value.serverName === undefined
        ? 'a push came before the welcome'
        : applying !== undefined
          ? 'a push came before the last one was acknowledged'
          : message.version < status.value.version
            ? `version ${message.version} came after version ${status.value.version}`
            : undefined
    if (disorder !== undefined) return channel.close(`WEFT_WIRE: ${disorder}`)
    applying = work(message).finally(() => {
      applying = undefined
    })
  }

  async function work(message: Push): Promise<void> {
    const before = applied.held
    applied = await applyPush(message, applied, options.apply)
    const { held, rejected } = applied
    if (held !== before) {
      await options.keep(held).catch(error => {
        log.warn('config is in use but could not be saved', { error: describeError(error) })
      })
    }
    const { version } = message
    status.set({ ...status.value, version, rejected })
    if (rejected.length === 0) return channel.send({ kind: 'ack', version })
    log.warn('part of the config was refused, its last good version stays', { version, rejected })
    channel.send({ kind: 'nack', version, rejected })
  }

  function end(reason: string): void {
    over = true
    heartbeat.stop()
    stopReporting?.()
    for (const { settle } of [...signing.values()]) settle(unreachable(`the session ended: ${reason}`))
    const told: SessionEnd = { reason, ...(refused === undefined ? {} : { refused }) }
    void (applying ?? Promise.resolve()).then(() => closed.resolve(told))
  }

  function sign(identity: string, csr: Buffer): Promise<readonly string[]> {
    if (over) return Promise.reject(unreachable('the session is over'))
    signs += 1
    const id = signs
    const answer = Promise.withResolvers<readonly string[]>()
    const settle: PendingSign['settle'] = outcome => {
      signing.get(id)?.timer.cancel()
      signing.delete(id)
      if (outcome instanceof MeshError) answer.reject(outcome)
      else answer.resolve(outcome)
    }
    const timer = clock.timer(signTimeoutMs, () => settle(unreachable('the server did not answer a signing request')))
    signing.set(id, { timer, settle })
    channel.send({ kind: 'sign-request', id, identity, csr })
    return answer.promise
  }

  return {
    status,
    get held() {
      return applied.held
    },
    sign,
    close: reason => channel.close(reason),
    closed: closed.promise,
  }
}

function outcomeOf(response: SignResponse): readonly string[] | MeshError {
  if (response.error !== undefined) {
    const { code, reason } = response.error
    return new MeshError(isErrorCode(code) ? code : 'WEFT_CSR_REFUSED', reason, { fields: { code } })
  }
  return response.chain.length > 0 ? response.chain : new MeshError('WEFT_WIRE', 'the server sent an empty chain')
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCatalogue, code)
}

function unreachable(message: string): MeshError {
  return new MeshError('WEFT_SERVER_UNREACHABLE', message)
}
