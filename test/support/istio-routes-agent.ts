import { connect } from 'node:net'
import { ThreadCore } from '../../agent/dataplane/thread-core.ts'
import type { AgentConfig, MeshEndpoint, MeshServiceResource } from '../../mesh/model/agent-config.ts'
import { faultAbortMessage } from '../../mesh/routing/fault.ts'
import type { RoutableService } from '../../mesh/routing/world.ts'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { aConfig, aPlainEndpoint, aWorkload } from './agent-config.ts'
import { caseHeader, EchoUpstream } from './echo-upstream.ts'
import { until } from './eventually.ts'
import { parseMessage, type WireMessage } from './http1-message.ts'
import type { Observed, Pair, RecordedCluster, RouteCase } from './istio-routes.ts'
import { worldOf } from './istio-routes-world.ts'

/** Recorded requests through running data threads, and what was seen of them at both ends. */

/** Versions that the subsets of the recordings choose by; the last is of no subset. */
const versions = ['v1', 'v2', 'v3', 'v9', '']

/** Where the clients of the recordings call from here. */
const clientAddress = '127.20.0.5'

/**
 * A mesh of plaintext endpoints that all are one upstream. Each subset of each port has one endpoint, and so has what is
 * in no subset: it is nearer than the others, so that only it is called where no subset is asked for.
 */
export class RecordedMesh {
  readonly upstream = new EchoUpstream()
  /** An address that the mesh knows nothing of, whatever port is called there. */
  readonly unknownAddress: string
  readonly #ports = new Map<string, number>()

  constructor(unknownAddress: string) {
    this.unknownAddress = unknownAddress
  }

  /** Listens where unknown hosts are looked for. */
  async start(ports: readonly number[]): Promise<void> {
    for (const port of ports) await this.upstream.listen({ name: 'PassthroughCluster' }, this.unknownAddress, port)
  }

  /** Starts the agent of a set's clients. */
  async agent(cases: readonly RouteCase[]): Promise<RecordedAgent> {
    const [first] = cases
    if (first === undefined) throw new Error('a set without cases')
    const world = worldOf(first)
    const services: MeshServiceResource[] = []
    for (const service of world.services) services.push(await this.#service(service))
    const config = aConfig({ services, traffic: world.traffic, workloads: workloadsOf(cases) })
    const host = { ...config.host, dnsDomain: world.domain, locality: near }
    return await RecordedAgent.start(this, { ...config, host }, cases)
  }

  async #service({
    namespace,
    name,
    hosts,
    addresses,
    ports,
    exportTo,
  }: RoutableService): Promise<MeshServiceResource> {
    const [host = name] = hosts
    const endpoints: MeshEndpoint[] = []
    for (const version of versions) {
      const byName: Record<string, number> = {}
      for (const { name: portName, port } of ports) byName[portName] = await this.#port(host, version, port)
      const labels: Record<string, string> = version === '' ? {} : { version }
      const locality = version === '' ? near : far
      endpoints.push(aPlainEndpoint({ id: `${name}${version}`, address: '127.0.0.1', ports: byName, labels, locality }))
    }
    const known = { namespace, name, hosts, addresses, ports, endpoints, virtualIps: [], external: false }
    return { kind: 'service', ...known, ...(exportTo !== undefined && { exportTo }) }
  }

  async #port(host: string, version: string, port: number): Promise<number> {
    const key = `${host} ${version} ${port}`
    const known = this.#ports.get(key)
    if (known !== undefined) return known
    const made = await this.upstream.listen({ host, subset: version === '' ? null : version, port })
    this.#ports.set(key, made)
    return made
  }
}

const near = { region: 'near', zone: '', subzone: '' }
const far = { region: 'far', zone: '', subzone: '' }

function identityOf({ namespace, labels }: RouteCase['client']): string {
  return `spiffe://mesh.local/ns/${namespace}/sa/${Object.values(labels).join('-')}`
}

function workloadsOf(cases: readonly RouteCase[]): AgentConfig['workloads'] {
  const clients = new Map(cases.map(({ client }) => [identityOf(client), client]))
  return [...clients].map(([identity, { namespace, labels }]) =>
    aWorkload({ id: identity, name: identity, namespace, labels, identity, ports: [] }),
  )
}

/** One data thread that captures the calls of a set's clients. */
export class RecordedAgent {
  readonly #mesh: RecordedMesh
  readonly #core: ThreadCore
  /** By the client's identity and the port it calls. */
  readonly #listeners = new Map<string, number>()

  private constructor(mesh: RecordedMesh, core: ThreadCore) {
    this.#mesh = mesh
    this.#core = core
  }

  static async start(mesh: RecordedMesh, config: AgentConfig, cases: readonly RouteCase[]): Promise<RecordedAgent> {
    // what interception would say of a connection is told by the port it came in at
    const called = new Map<number, number>()
    const core = new ThreadCore({}, systemClock, systemRandom, {
      originalDst: socket => ({ address: mesh.unknownAddress, port: called.get(socket.localPort ?? 0) ?? 0 }),
      callerOf: async () => undefined,
    })
    const agent = new RecordedAgent(mesh, core)
    const rejected = core.config(config)
    if (rejected.length > 0) throw new Error(JSON.stringify(rejected))
    const wanted = new Map(
      cases.map(({ client, request }) => [
        listenerOf({ client, request }),
        { identity: identityOf(client), port: request.port },
      ]),
    )
    const bound = await core.listen(
      [...wanted].map(([name, { identity }]) => ({
        ...{ name, host: '127.0.0.1', port: 0 },
        role: { kind: 'outbound', identity },
      })),
    )
    for (const { name, port, error } of bound) {
      if (port === undefined) throw new Error(error ?? 'not bound')
      agent.#listeners.set(name, port)
      called.set(port, wanted.get(name)?.port ?? 0)
    }
    return agent
  }

  /** Sends a case's request, as often as it was recorded, and gives a way to see what came of it. */
  async run(kase: RouteCase): Promise<() => Observed> {
    const { upstream } = this.#mesh
    upstream.expect(kase.id, kase.upstreamBehaviour)
    const { observed } = kase.result
    if (observed !== undefined) return await this.#runOften(kase, observed)
    const began = performance.now()
    const answer = await this.#send(kase)
    const elapsedMs = performance.now() - began
    const { tries, shadows } = upstream.arrivals(kase.id)
    const expected = kase.result.shadows?.length ?? 0
    await until(`copies of ${kase.id}`, () => shadows.length >= expected, 2_000).catch(() => {})
    const status = answer === undefined ? null : statusOf(answer)
    // what is wrong with a request is said in own words
    const isRefused = status === 400 && tries.length === 0 && answer?.body !== faultAbortMessage
    return () => ({
      status,
      upstream: tries.at(-1) ?? null,
      ...(answer && !isRefused && { response: responseOf(answer, tries.length === 0) }),
      shadows,
      attempts: tries.length,
      elapsedMs,
    })
  }

  /** What has a share of one percent may take its time to come up. */
  async #runOften(kase: RouteCase, observed: NonNullable<RouteCase['result']['observed']>): Promise<() => Observed> {
    const { tries } = this.#mesh.upstream.arrivals(kase.id)
    const drawn = new Map<string, RecordedCluster | null>()
    for (let count = 0; count < 2_000 && (count < 50 || drawn.size < observed.length); count += 1) {
      const before = tries.length
      await this.#send(kase)
      const cluster = tries.length > before ? (tries.at(-1)?.cluster ?? null) : null
      drawn.set(JSON.stringify(cluster), cluster)
    }
    return () => ({ drawn: [...drawn.values()] })
  }

  #send(kase: RouteCase): Promise<WireMessage | undefined> {
    const { method, path, headers, body } = kase.request
    const fields: Pair[] = [...headers, [caseHeader, kase.id]]
    if (body !== undefined) fields.push(['content-length', String(body.length)])
    const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const port = this.#listeners.get(listenerOf(kase)) ?? 0
    return new Promise(resolve => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: clientAddress })
      let bytes = ''
      const read = (ended: boolean) => {
        while (/^HTTP\/1\.1 1(?!01)\d\d .*?\r\n\r\n/s.test(bytes)) bytes = bytes.slice(bytes.indexOf('\r\n\r\n') + 4)
        const message = parseMessage(bytes, { hasNoBody: method === 'HEAD', ended })
        if (message === undefined && !ended) return
        socket.destroy()
        resolve(message)
      }
      socket.on('error', () => {})
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.toString('latin1')
        read(false)
      })
      socket.on('close', () => read(true))
      socket.write(`${method} ${path} HTTP/1.1\r\n${head}\r\n${body ?? ''}`, 'latin1')
    })
  }

  async stop(): Promise<void> {
    await this.#core.drain(0)
  }
}

function listenerOf({ client, request }: Pick<RouteCase, 'client' | 'request'>): string {
  return `${identityOf(client)} ${request.port}`
}

function responseOf({ headers, body }: WireMessage, isReply: boolean): NonNullable<Observed['response']> {
  return { headers, ...(isReply && { body }) }
}

function statusOf({ startLine }: WireMessage): number {
  return Number(startLine.split(' ')[1])
}
