import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import type { Credential } from '../../../agent/dataplane/messages.ts'
import { ThreadCore } from '../../../agent/dataplane/thread-core.ts'
import { encodePrivateKey } from '../../../mesh/identity/keys.ts'
import { identitySni } from '../../../mesh/identity/sni.ts'
import type { LocalPort } from '../../../mesh/model/agent-config.ts'
import type { Protocol } from '../../../mesh/model/service.ts'
import { systemClock, systemRandom } from '../../../mesh/std/clock.ts'
import { aConfig, aWorkload } from '../../support/agent-config.ts'
import { createTestCa } from '../../support/certificates.ts'
import { parseMessage, type WireMessage } from '../../support/http1-message.ts'
import { trustDomainsOf } from '../../support/istio-authz.ts'
import { authzCases } from '../../support/istio-recordings.ts'
import { policyConfig, tokenCases } from '../../support/istio-tokens.ts'

/**
 * Sends the recorded calls through a running agent, from the addresses and with the identities that they had, and prints
 * what became of each as a line of JSON. To be run where every IPv4 address is local.
 */

/** The part that cases of both recordings have. */
interface Recorded {
  readonly id: string
  readonly set: string
  readonly policies: readonly string[]
  readonly mesh?: string | null
  readonly workload: {
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
    readonly ip: string
    readonly port: number
  }
  readonly peer: { readonly principal: string | null; readonly sourceIp: string; readonly sni: string | null }
  readonly request: null | {
    readonly method: string
    readonly path: string
    readonly headers: readonly (readonly [string, string])[]
  }
}

export interface ObservedCall {
  readonly id: string
  /** 0 when the connection ended without an answer. */
  readonly status: number
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
}

const containerPorts: readonly { readonly port: number; readonly protocol: Protocol }[] = [
  { port: 8080, protocol: 'http' },
  { port: 8081, protocol: 'http' },
  { port: 9090, protocol: 'tcp' },
]
/** What the process of a TCP port answers with. */
const reached = 'reached'
const inParallel = 50

/** Authorities by trust domain: each believes its own only. */
const authorities = new Map<string, ReturnType<typeof createTestCa>>()

function authorityOf(trustDomain: string) {
  const known = authorities.get(trustDomain) ?? createTestCa(trustDomain)
  authorities.set(trustDomain, known)
  return known
}

const credentials = new Map<string, Credential>()

/** `by` is the trust domain whose authority issues it. */
function credentialOf(identity: string, by: string): Credential {
  const key = `${by} ${identity}`
  const known = credentials.get(key) ?? newCredential(identity, by)
  credentials.set(key, known)
  return known
}

function newCredential(identity: string, by: string): Credential {
  const ca = authorityOf(by)
  const leaf = ca.leaf(identity)
  return { identity, key: encodePrivateKey(leaf.keys.privateKey), chain: `${leaf.pem}${ca.issuing.certificatePem}` }
}

/** A request's head comes back as the body of its answer. */
function serveRequests(socket: Socket): void {
  let bytes = ''
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.toString('latin1')
    const end = bytes.indexOf('\r\n\r\n')
    if (end === -1) return
    const head = bytes.slice(0, end)
    const body = head.startsWith('HEAD ') ? '' : head
    socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${head.length}\r\nconnection: close\r\n\r\n${body}`, 'latin1')
  })
}

function serveBytes(socket: Socket): void {
  socket.on('error', () => {})
  socket.once('data', () => socket.end(reached))
}

async function listening(port: number, serve: (socket: Socket) => void): Promise<void> {
  const server = createServer(serve)
  await new Promise<void>(resolve => server.listen(port, '0.0.0.0', resolve))
}

class Agent {
  readonly trustDomain: string
  readonly #core: ThreadCore
  /** Listeners for plaintext, by the port that their callers wanted. */
  readonly #plaintext = new Map<number, number>()
  readonly #sessions = new Map<string, ClientHttp2Session>()
  #hbone = 0

  constructor(trustDomain: string) {
    this.trustDomain = trustDomain
    const wanted = new Map<number, number>()
    this.#core = new ThreadCore({}, systemClock, systemRandom, {
      originalDst: socket => ({ address: socket.localAddress ?? '', port: wanted.get(socket.localPort ?? 0) ?? 0 }),
      callerOf: async () => undefined,
    })
    this.#wanted = wanted
  }

  readonly #wanted: Map<number, number>

  async start(): Promise<void> {
    const plaintext = containerPorts.map(({ port }) => ({
      ...{ name: `plaintext-${port}`, host: '0.0.0.0', port: 0 },
      role: { kind: 'inbound-plaintext' } as const,
    }))
    const hbone = { name: 'hbone', host: '0.0.0.0', port: 0, role: { kind: 'hbone' } as const }
    const bound = await this.#core.listen([...plaintext, hbone])
    for (const [index, { port }] of containerPorts.entries()) {
      this.#plaintext.set(port, bound[index]?.port ?? 0)
      this.#wanted.set(bound[index]?.port ?? 0, port)
    }
    this.#hbone = bound.at(-1)?.port ?? 0
  }

  /** Puts the policies of a set in force; its calls are made over sessions of their own. */
  apply(cases: readonly Recorded[]): void {
    for (const session of this.#sessions.values()) session.destroy()
    this.#sessions.clear()
    const [first] = cases
    if (first === undefined) return
    const { namespace, labels } = first.workload
    const identity = this.#identityOf(first)
    const ports = containerPorts.map(
      ({ port, protocol }): LocalPort => ({
        ...{ port, protocol, mtls: 'PERMISSIVE', mtlsFrom: 'default' },
        service: `${namespace}/${labels.app ?? ''}`,
      }),
    )
    const addresses = [...new Set(cases.map(({ workload }) => workload.ip))]
    const workloads = addresses.map(address =>
      aWorkload({ id: `static/${address}`, name: address, namespace, labels, address, identity, ports }),
    )
    const config = aConfig({
      workloads,
      policies: { ...policyConfig(first.policies), ...trustDomainsOf(first.mesh ?? null) },
      trust: {
        ...{ kind: 'trust', trustDomain: this.trustDomain, sequence: 1 },
        roots: [authorityOf(this.trustDomain).root.certificatePem],
      },
    })
    const rejected = this.#core.config({ ...config, host: { ...config.host, trustDomain: this.trustDomain } })
    if (rejected.length > 0) throw new Error(JSON.stringify(rejected))
    this.#core.credentials([credentialOf(identity, this.trustDomain)])
  }

  #identityOf({ workload }: Recorded): string {
    return `spiffe://${this.trustDomain}/ns/${workload.namespace}/sa/recorded`
  }

  async run(recorded: Recorded): Promise<ObservedCall> {
    const { id, request } = recorded
    const failed = { id, status: 0, headers: [], body: '' }
    const stream = await this.#connected(recorded)
    if (stream === undefined) return failed
    const head = request?.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('') ?? ''
    const bytes = request === null ? 'ping' : `${request.method} ${request.path} HTTP/1.1\r\n${head}\r\n`
    const hasNoBody = request?.method === 'HEAD'
    return await new Promise(resolve => {
      let text = ''
      const read = (ended: boolean) => {
        if (request === null) {
          if (!ended && text.length < reached.length) return
          stream.end()
          return resolve({ ...failed, status: text === reached ? 200 : 0 })
        }
        const message = parseMessage(text, { hasNoBody, ended })
        if (message === undefined && !ended) return
        stream.end()
        resolve(message === undefined ? failed : { id, ...answerOf(message) })
      }
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1')
        read(false)
      })
      stream.on('error', () => {})
      stream.on('close', () => read(true))
      stream.write(Buffer.from(bytes, 'latin1'))
    })
  }

  async #connected(recorded: Recorded): Promise<Duplex | undefined> {
    const { peer, workload } = recorded
    if (peer.principal === null) {
      const port = this.#plaintext.get(workload.port) ?? 0
      return connect({ port, host: workload.ip, localAddress: peer.sourceIp })
    }
    const authority = `${workload.ip}:${workload.port}`
    const session = this.#session(recorded, peer.principal)
    return await new Promise(resolve => {
      const stream = session.request({ ':method': 'CONNECT', ':authority': authority })
      stream.on('error', () => {})
      stream.on('response', ({ ':status': status }) => resolve(status === 200 ? stream : undefined))
      stream.on('close', () => resolve(undefined))
    })
  }

  /** Of the mesh's own authority where its trust domain is, or was, called so. */
  #callerOf({ mesh }: Recorded, principal: string): Credential {
    const [trustDomain = ''] = principal.split('/')
    const isOwn = trustDomainsOf(mesh ?? null).trustDomainAliases.includes(trustDomain)
    return credentialOf(`spiffe://${principal}`, isOwn ? this.trustDomain : trustDomain)
  }

  #session(recorded: Recorded, principal: string): ClientHttp2Session {
    const { peer, workload } = recorded
    const served = this.#identityOf(recorded)
    const key = `${principal} ${peer.sourceIp} ${served}`
    const known = this.#sessions.get(key)
    if (known !== undefined) return known
    const { key: privateKey, chain } = this.#callerOf(recorded, principal)
    const socket = connectTls({
      ...{ host: workload.ip, port: this.#hbone, localAddress: peer.sourceIp, ALPNProtocols: ['h2'] },
      ...{ key: privateKey, cert: chain, servername: identitySni(served) },
      rejectUnauthorized: false,
    })
    const session = connectHttp2('https://agent', { createConnection: () => socket })
    session.setMaxListeners(0)
    session.on('error', () => {})
    this.#sessions.set(key, session)
    return session
  }
}

function answerOf({ startLine, headers, body }: WireMessage): Omit<ObservedCall, 'id'> {
  return { status: Number(startLine.split(' ')[1]), headers, body }
}

async function main(): Promise<void> {
  await listening(8080, serveRequests)
  await listening(8081, serveRequests)
  await listening(9090, serveBytes)
  const recorded: readonly Recorded[] = process.argv[2] === 'jwt' ? tokenCases() : authzCases()
  const agents = new Map<string, Agent>()
  for (const cases of Map.groupBy(recorded, ({ set }) => set).values()) {
    const { trustDomain } = trustDomainsOf(cases[0]?.mesh ?? null)
    let agent = agents.get(trustDomain)
    if (agent === undefined) {
      agent = new Agent(trustDomain)
      agents.set(trustDomain, agent)
      await agent.start()
    }
    agent.apply(cases)
    for (let at = 0; at < cases.length; at += inParallel) {
      const now = cases.slice(at, at + inParallel)
      for (const seen of await Promise.all(now.map(one => agent.run(one)))) {
        process.stdout.write(`${JSON.stringify(seen)}\n`)
      }
    }
  }
  process.exit()
}

await main()
