import { createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, type Random, sleep } from '../../mesh/std/clock.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import { type AgentSession, type AgentSessionOptions, startAgentSession } from '../../mesh/wire/agent-session.ts'
import type { Channel } from '../../mesh/wire/channel.ts'
import type { HeldResources } from '../../mesh/wire/held-resources.ts'
import type { AgentMessage, RejectedResource, ServerMessage } from '../../mesh/wire/messages.ts'
import type { FlowSource } from '../../mesh/wire/report-sender.ts'
import type { Signer } from '../identity/keeper.ts'

export interface ServerLinkDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Set while there is a session, undefined between sessions: how certificates are asked for. */
  readonly signer: Watch<Signer | undefined>
  /** Opens a channel with the node's current certificate; throws when it cannot, or when the signal aborts. */
  connect(signal: AbortSignal): Promise<Channel<ServerMessage, AgentMessage>>
  readonly apply: AgentSessionOptions['apply']
  /** Saves what is in use; a failure is logged by the session. */
  readonly keep: AgentSessionOptions['keep']
  /** What the host says about its own workloads. */
  readonly report: AgentSessionOptions['report']
  /** Which calls it has seen; absent where it keeps them to itself. */
  readonly flows?: FlowSource
}

export interface ServerLinkOptions {
  readonly agentVersion: string
  /** What is in use from disk. */
  readonly held: HeldResources
}

/** Times are milliseconds since 1970. */
export type LinkStatus = {
  /** The last version handled in this session; 0 in none. */
  readonly version: number
  readonly rejected: readonly RejectedResource[]
} & (
  | { readonly kind: 'connected'; readonly since: number; readonly server: string }
  | { readonly kind: 'disconnected'; readonly since: number; readonly reason: string }
)

/** The agent's connection to a server, made again whenever it is lost. Nothing of the data plane waits for it. */
export interface ServerLink {
  /** Begins to connect, and tells each server these facts about the host; returns at once. Called once. */
  start(facts: Readonly<Record<string, string>>): void
  readonly status: Watch<LinkStatus>
  /** What is in use now. */
  held(): HeldResources
  /** Ends the current session and makes a new one, with the certificate of that moment. */
  reconnect(reason: string): void
  stop(): Promise<void>
}

const retry = { baseMs: 500, capMs: 30_000 }
/** A session that lived this long was a good one: the next failure starts from short delays again. */
const goodSessionMs = 30_000

/** Makes the link; it connects to nothing before it is started. */
export function createServerLink(deps: ServerLinkDeps, options: ServerLinkOptions): ServerLink {
  const { clock, log, signer } = deps
  const stopping = new AbortController()
  const backoff = createBackoff(retry, deps.random)
  const status = new Watch<LinkStatus>({
    kind: 'disconnected',
    since: clock.now(),
    reason: 'not connected yet',
    version: 0,
    rejected: [],
  })
  let held = options.held
  let session: AgentSession | undefined
  let running: Promise<void> | undefined

  async function run(facts: Readonly<Record<string, string>>): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await follow(await deps.connect(stopping.signal), facts)
      } catch (error) {
        disconnected(describeError(error))
      }
      await sleep(clock, backoff.nextMs(), stopping.signal)
    }
  }

  /** Runs one session to its end. */
  async function follow(
    channel: Channel<ServerMessage, AgentMessage>,
    facts: Readonly<Record<string, string>>,
  ): Promise<void> {
    if (stopping.signal.aborted) return channel.close('the agent stops')
    const since = clock.monotonic()
    const current = startAgentSession({ ...deps, ...options, facts, channel, held })
    session = current
    const unsubscribe = current.status.subscribe(({ serverName, version, rejected }) => {
      if (serverName === undefined) return
      if (status.value.kind !== 'connected') log.info('connected to the server', { server: serverName })
      const from = status.value.kind === 'connected' ? status.value.since : clock.now()
      status.set({ kind: 'connected', since: from, server: serverName, version, rejected })
      signer.set(current.sign)
    })
    const { reason, refused } = await current.closed
    unsubscribe()
    session = undefined
    held = current.held
    signer.set(undefined)
    disconnected(refused === undefined ? reason : `${refused.reason} (${refused.code})`)
    if (clock.monotonic() - since >= goodSessionMs) backoff.reset()
  }

  function disconnected(reason: string): void {
    const before = status.value
    if (stopping.signal.aborted || (before.kind === 'disconnected' && before.reason === reason)) return
    log.warn('not connected to the server, serving what is known', { reason })
    const since = before.kind === 'disconnected' ? before.since : clock.now()
    status.set({ kind: 'disconnected', since, reason, version: 0, rejected: [] })
  }

  return {
    start(facts) {
      running ??= run(facts)
    },
    status,
    held: () => session?.held ?? held,
    reconnect: reason => session?.close(reason),
    async stop() {
      stopping.abort()
      session?.close('the agent stops')
      await running
      signer.set(undefined)
    },
  }
}
