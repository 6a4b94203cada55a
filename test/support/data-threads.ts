import { connect, createServer, type Socket } from 'node:net'
import type { Credential, NameAnswer } from '../../agent/dataplane/messages.ts'
import type { SpanSink } from '../../agent/dataplane/telemetry/spans.ts'
import { ThreadCore, type ThreadOptions } from '../../agent/dataplane/thread-core.ts'
import { encodePrivateKey } from '../../mesh/identity/keys.ts'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import type { Protocol } from '../../mesh/model/service.ts'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { aConfig, anEndpoint, aService, aWorkload } from './agent-config.ts'
import { createTestCa } from './certificates.ts'

/** Two hosts' data threads in one process, with real sockets and certificates; interception is played by the test. */

export const identityOf = (name: string) => `spiffe://mesh.local/ns/default/sa/${name}`

/** A mesh's authority, and credentials from it. */
export function aTrustedMesh() {
  const ca = createTestCa('mesh.local')
  const credentialOf = (identity: string): Credential => {
    const leaf = ca.leaf(identity)
    const key = encodePrivateKey(leaf.keys.privateKey)
    return { identity, key, chain: `${leaf.pem}${ca.issuing.certificatePem}` }
  }
  return {
    trust: { kind: 'trust' as const, trustDomain: 'mesh.local', sequence: 1, roots: [ca.root.certificatePem] },
    ca,
    credential: (name: string) => credentialOf(identityOf(name)),
    credentialOf,
  }
}

interface Teardown {
  teardown(stop: () => unknown): void
}

/** A core with one listener; `originalDst` is what interception would say of every connection. */
export async function aThread(
  t: Teardown,
  role: Parameters<ThreadCore['listen']>[0][number]['role'],
  options: ThreadOptions & {
    readonly originalDst?: { readonly address: string; readonly port: number }
    /** Where the kernel would say that every caller's socket was made. */
    readonly callerCgroup?: string
    readonly spans?: SpanSink
    /** What DNS would say of names that calls are for; undefined answers nothing. */
    readonly lookUp?: (name: string) => NameAnswer | undefined
  } = {},
) {
  const kernel = {
    originalDst: () => options.originalDst,
    callerOf: async (_socket: Socket, byCgroup: ReadonlyMap<string, string>) =>
      byCgroup.get(options.callerCgroup ?? ''),
  }
  const lookUp = (name: string) => {
    const answer = options.lookUp?.(name)
    if (answer !== undefined) setImmediate(() => core.lookedUp(answer))
  }
  const core = new ThreadCore(options, systemClock, systemRandom, kernel, options.spans, () => {}, lookUp)
  t.teardown(() => core.drain(0))
  const [bound] = await core.listen([{ name: 'only', role, host: '127.0.0.1', port: 0 }])
  if (bound?.port === undefined) throw new Error(bound?.error ?? 'not bound')
  return { core, port: bound.port }
}

export interface Pair {
  /** Where the caller connects. */
  readonly outboundPort: number
  /** The called side's HBONE port. */
  readonly calleePort: number
  readonly caller: ThreadCore
  readonly callee: ThreadCore
  readonly mesh: ReturnType<typeof aTrustedMesh>
}

/**
 * `web` on one host calls `api` on another: a connection to `outboundPort` reaches the local server at `localPort`
 * over HBONE. `change` may alter what either side is told.
 */
export async function aMeshedPair(
  t: Teardown,
  localPort: number,
  change: {
    readonly caller?: (config: AgentConfig) => AgentConfig
    readonly callee?: (config: AgentConfig) => AgentConfig
    readonly callerCredentials?: readonly Credential[]
    readonly calleeCredentials?: readonly Credential[]
    /** The caller's listener; by default that of identity `web`. */
    readonly role?: Parameters<typeof aThread>[1]
    readonly callerCgroup?: string
    /** What the port declares to speak on both sides: `tcp`. */
    readonly protocol?: Protocol
    readonly calleeOptions?: ThreadOptions
    readonly accessLog?: { readonly caller?: string; readonly callee?: string }
    /** Gets the spans of both sides. */
    readonly spans?: SpanSink
  } = {},
): Promise<Pair> {
  const mesh = aTrustedMesh()
  const same = (config: AgentConfig) => config
  const log = (path: string | undefined) => ({
    ...(path !== undefined && { accessLog: path }),
    ...(change.spans !== undefined && { spans: change.spans }),
  })
  const callee = await aThread(
    t,
    { kind: 'hbone' },
    {
      ...change.calleeOptions,
      ...log(change.accessLog?.callee),
    },
  )
  const ports = [
    {
      port: localPort,
      protocol: change.protocol ?? 'tcp',
      mtls: 'PERMISSIVE',
      mtlsFrom: 'default',
      service: 'default/api',
    } as const,
  ]
  const api = aWorkload({ id: 'static/api-1', name: 'api-1', address: '127.0.0.1', identity: identityOf('api'), ports })
  callee.core.config((change.callee ?? same)(aConfig({ trust: mesh.trust, workloads: [api] })))
  callee.core.credentials(change.calleeCredentials ?? [mesh.credential('api')])

  const caller = await aThread(t, change.role ?? { kind: 'outbound', identity: identityOf('web') }, {
    ...(change.callerCgroup !== undefined && { callerCgroup: change.callerCgroup }),
    hbonePort: callee.port,
    originalDst: { address: '240.240.0.1', port: 80 },
    ...log(change.accessLog?.caller),
  })
  const endpoint = anEndpoint({ address: '127.0.0.1', ports: { http: localPort } })
  const config = aConfig({
    trust: mesh.trust,
    workloads: [aWorkload()],
    services: [
      aService({ endpoints: [endpoint], ports: [{ name: 'http', port: 80, protocol: change.protocol ?? 'tcp' }] }),
    ],
  })
  caller.core.config((change.caller ?? same)(config))
  caller.core.credentials(change.callerCredentials ?? [mesh.credential('web')])
  return { outboundPort: caller.port, calleePort: callee.port, caller: caller.core, callee: callee.core, mesh }
}

/** A TCP server of the test's own, on loopback. */
export async function aLocalServer(t: Teardown, serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {})
    serve(socket)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('not bound')
  return address.port
}

/** Everything the far side sends until it ends or resets, after sending `text` and half-closing. */
export function exchange(
  port: number,
  text: string | Buffer,
): Promise<{ readonly text: string; readonly error?: string }> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const chunks: Buffer[] = []
    const finish = (error?: string) =>
      resolve({ text: Buffer.concat(chunks).toString('latin1'), ...(error !== undefined && { error }) })
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message))
    socket.on('end', () => finish())
    socket.end(text)
  })
}
