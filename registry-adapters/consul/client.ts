import type { Clock, Random } from '../../mesh/std/clock.ts'
import type { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { type Connection, createConnection, type RequestParameters, type Resource, type Write } from './connection.ts'
import { loginToken } from './login.ts'
import type { ConsulSettings } from './options.ts'
import { type Answer, isBrokenSocket, isServersFault, request } from './request.ts'
import { createServerChoice } from './server-choice.ts'
import { readTlsFiles, sameTls, type TlsTexts } from './tls-files.ts'
import { fixedToken, type TokenSource, tokenInFile } from './token.ts'

/**
 * Who may answer, after Consul's "Consistency Modes": any server, the leader as it sees itself, or the leader once a
 * majority has confirmed it.
 */
export type Consistency = 'stale' | 'default' | 'consistent'

/** How to read: at once, or held by Consul until its index is beyond `index`. */
export type ReadMode =
  | { readonly kind: 'now'; readonly consistency: Consistency; readonly withinMs?: number }
  | { readonly kind: 'blocking'; readonly consistency: Consistency; readonly index: bigint }

export interface ConsulClient {
  /**
   * Reads once, of the server in use, and of the others in turn where that one cannot answer. Everything that is no
   * good answer throws WEFT_REGISTRY_UNAVAILABLE; rejects with any error once the signal has aborted. A blocking read
   * that another server had to answer did not block.
   */
  read(resource: Resource, mode: ReadMode, signal: AbortSignal): Promise<Answer>
  /** Writes once, in the same way. */
  write(write: Write, signal: AbortSignal): Promise<Answer>
  /** Goes back to a server that stands before the one in use in the configuration, if one answers again. */
  goHome(signal: AbortSignal): Promise<void>
  /** Gives back what was obtained from Consul, then ends every request and closes every socket. */
  close(): Promise<void>
}

export interface ClientDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Another server is in use from now on. */
  moved(): void
}

/** A client with TLS files and token read at the first request, and again at the next one after each failure. */
export function createConsulClient(settings: ConsulSettings, deps: ClientDeps): ConsulClient {
  const { clock, log } = deps
  const { servers, pace } = settings
  const choice = createServerChoice(servers.length, pace.avoidMs, clock)
  const connections = new Map<number, Connection>()
  let tls: TlsTexts | undefined
  let suspect = false
  let closed = false

  async function connect(server: number): Promise<Connection> {
    if (closed) throw new Error('the client is closed')
    if (tls === undefined || suspect) {
      const texts = await readTlsFiles(settings.tls)
      if (closed) throw new Error('the client is closed')
      suspect = false
      if (tls === undefined || !sameTls(tls, texts)) closeAll()
      tls = texts
    }
    const connection = connections.get(server) ?? createConnection(serverOf(server), settings, tls)
    connections.set(server, connection)
    return connection
  }

  function serverOf(index: number) {
    const server = servers[index]
    if (server === undefined) throw new Error(`there is no server ${index}`)
    return server
  }

  function closeAll(): void {
    for (const connection of connections.values()) connection.close()
    connections.clear()
  }

  const aboutOf = (server: number) => (servers.length === 1 ? {} : { server: serverOf(server).url })

  async function writeTo(server: number, write: Write, token: string | undefined, signal: AbortSignal) {
    const connection = await connect(server)
    const about = { write: write.path, ...aboutOf(server) }
    const parameters = token === undefined ? {} : { token }
    return request(context => connection.write(write, parameters, context), {
      clock,
      signal,
      limitMs: pace.answerMs,
      about,
    })
  }

  /** Asks the server in use, then the others; the one that can answer is in use from then on. */
  async function anywhere(signal: AbortSignal, ask: (server: number, first: boolean) => Promise<Answer>) {
    const before = choice.current
    let failure: unknown
    for (const server of choice.order()) {
      try {
        const answer = await ask(server, server === before)
        if (choice.worked(server, before)) moved(before, failure)
        return answer
      } catch (error) {
        suspect = true
        if (signal.aborted || !isServersFault(error)) throw error
        choice.failed(server)
        failure ??= error
      }
    }
    throw failure
  }

  function moved(from: number, error: unknown): void {
    const { url: to } = serverOf(choice.current)
    log.warn('another consul server is asked from now on', { from: serverOf(from).url, to, error })
    deps.moved()
  }

  async function readOf(server: number, resource: Resource, mode: ReadMode, signal: AbortSignal): Promise<Answer> {
    const connection = await connect(server)
    const token = await tokens.current(signal)
    const parameters = { ...parametersOf(mode, settings), ...(token !== undefined && { token }) }
    const limitMs = deadlineMs(mode, settings)
    const about = { ...aboutResource(resource), ...aboutOf(server) }
    try {
      return await request(context => connection.read(resource, parameters, context), { clock, signal, limitMs, about })
    } catch (error) {
      const { status } = (error as MeshError).fields ?? {}
      const mayHelp = (status === 401 || status === 403) && (await tokens.refused(token))
      if (!mayHelp || signal.aborted) throw error
      return await readOf(server, resource, nowOf(mode), signal)
    }
  }

  /** Repeats a request once whose kept socket turned out to be closed: reading twice does no harm. */
  async function readTwice(server: number, resource: Resource, mode: ReadMode, signal: AbortSignal): Promise<Answer> {
    try {
      return await readOf(server, resource, mode, signal)
    } catch (error) {
      if (mode.kind === 'blocking' || signal.aborted || !isBrokenSocket(error)) throw error
      return await readOf(server, resource, mode, signal)
    }
  }

  const tokens = tokenSourceOf(settings, deps, (write, token, signal) =>
    anywhere(signal, server => writeTo(server, write, token, signal)),
  )

  return {
    read: (resource, mode, signal) =>
      anywhere(signal, (server, first) => readTwice(server, resource, first ? mode : nowOf(mode), signal)),
    write: (write, signal) =>
      anywhere(signal, async server => writeTo(server, write, await tokens.current(signal), signal)),
    async goHome(signal) {
      for (const server of choice.better()) {
        const from = choice.current
        const mode = { kind: 'now', consistency: 'default', withinMs: pace.aliveMs } as const
        try {
          await readOf(server, { kind: 'service', name: 'consul' }, mode, signal)
        } catch (error) {
          if (signal.aborted) return
          choice.failed(server)
          log.debug('a consul server is still out of reach', { server: serverOf(server).url, error })
          continue
        }
        if (choice.worked(server, from)) moved(from, undefined)
        return
      }
    },
    async close() {
      await tokens.close()
      closed = true
      closeAll()
    },
  }
}

type Send = (write: Write, token: string | undefined, signal: AbortSignal) => Promise<Answer>

function tokenSourceOf({ login, token, tokenFile, pace }: ConsulSettings, deps: ClientDeps, send: Send): TokenSource {
  if (login !== undefined) return loginToken(login, { ...deps, pace, send })
  return tokenFile === undefined ? fixedToken(token) : tokenInFile(tokenFile, deps)
}

function nowOf(mode: ReadMode): ReadMode {
  return mode.kind === 'now' ? mode : { kind: 'now', consistency: mode.consistency }
}

/** Consul holds a blocking query up to a sixteenth longer than asked, so that many clients do not return together. */
function deadlineMs(mode: ReadMode, { waitMs, pace }: ConsulSettings): number {
  return mode.kind === 'now' ? (mode.withinMs ?? pace.answerMs) : waitMs + waitMs / 16 + pace.answerMs
}

function parametersOf(mode: ReadMode, settings: ConsulSettings): RequestParameters {
  const consistency = mode.consistency === 'default' ? {} : { [mode.consistency]: true }
  return mode.kind === 'now' ? consistency : { ...consistency, index: String(mode.index), wait: `${settings.waitMs}ms` }
}

function aboutResource(resource: Resource): Readonly<Record<string, unknown>> {
  if (resource.kind !== 'service') return { read: resource.kind }
  return { read: 'service', service: resource.name, ...(resource.filter !== undefined && { filter: resource.filter }) }
}
