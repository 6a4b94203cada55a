import http from 'node:http'
import https from 'node:https'
import Consul from 'consul'
import { bare } from './consul-package.ts'
import { type ConsulServer, type ConsulSettings, readersOf } from './options.ts'
import type { TlsTexts } from './tls-files.ts'

/** A kind of read, as the HTTP API has it; everything the adapter ever reads. */
export type Resource =
  /** `/v1/catalog/services`: names of all services with all their tags. */
  | { readonly kind: 'services' }
  /** `/v1/catalog/nodes` */
  | { readonly kind: 'nodes' }
  /** `/v1/health/state/<status>`: the checks that have it, which are few; the index moves with any check. */
  | { readonly kind: 'critical' | 'warning' }
  /** `/v1/health/service/<name>`: instances with their node and checks, as of one moment; those that the filter takes. */
  | { readonly kind: 'service'; readonly name: string; readonly filter?: string }
  /** `/v1/agent/self`: the agent that is asked. */
  | { readonly kind: 'self' }

/** A write, as the HTTP API has it; `path` without `/v1`. */
export interface Write {
  readonly method: 'POST' | 'PUT'
  readonly path: string
  readonly body?: unknown
}

/** Parameters of one request, as the package takes them. */
export interface RequestParameters {
  readonly token?: string
  readonly index?: string
  readonly wait?: string
  readonly stale?: boolean
  readonly consistent?: boolean
}

/** The package with one server and one set of TLS files: its own sockets, bounded in number. */
export interface Connection {
  /** Resolves to the package's `[response, body]`; emitting `cancel` on the context ends the request. */
  read(resource: Resource, parameters: RequestParameters, context: object): Promise<unknown>
  write(write: Write, parameters: RequestParameters, context: object): Promise<unknown>
  /** Ends every request and closes every socket. */
  close(): void
}

/** Idle sockets are kept in small number: Consul counts them among the connections that a client may have. */
const maxFreeSockets = 4
/** A peer that vanished without a word is noticed about ten probes after this. */
const tcpKeepAliveMs = 10_000

/** Opens nothing yet: sockets are made as requests need them, never more than `maxOpenQueries`. */
export function createConnection(server: ConsulServer, settings: ConsulSettings, tls: TlsTexts): Connection {
  const { secure, host, port } = server
  const { datacenter, consulNamespace, partition, maxOpenQueries } = settings
  const agentFor = (maxSockets: number) => {
    const sockets = { keepAlive: true, keepAliveMsecs: tcpKeepAliveMs, maxSockets, maxFreeSockets }
    return secure ? new https.Agent({ ...sockets, ...tls }) : new http.Agent(sockets)
  }
  const packageFor = (agent: http.Agent) => {
    const consul = new Consul({ host, port, secure, agent })
    return bare(consul, { ...(consulNamespace && { ns: consulNamespace }), ...(partition && { partition }) })
  }
  // Apart from each other, so that queries that stay open never take the sockets that reads need.
  const quick = readersOf(settings) + 1
  const agents = [agentFor(quick), agentFor(maxOpenQueries - quick)] as const
  const [reading, waiting] = [packageFor(agents[0]), packageFor(agents[1])]
  const common = datacenter === undefined ? {} : { dc: datacenter }
  return {
    read(resource, parameters, ctx) {
      const options = { ...common, ...parameters, ctx }
      const { consul } = parameters.wait === undefined ? reading : waiting
      switch (resource.kind) {
        case 'services':
          return consul.catalog.services(options)
        case 'nodes':
          return consul.catalog.nodes(options)
        case 'critical':
        case 'warning':
          return consul.health.state({ ...options, state: resource.kind })
        case 'service': {
          const filter = resource.filter === undefined ? {} : { filter: resource.filter }
          return consul.health.service({ ...options, ...filter, service: resource.name })
        }
        case 'self':
          return consul.agent.self(options)
      }
    },
    write: (write, { token }, ctx) => reading.write(write, token, ctx),
    close() {
      for (const agent of agents) agent.destroy()
    },
  }
}
