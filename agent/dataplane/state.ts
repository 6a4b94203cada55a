import type { Socket } from 'node:net'
import type { Clock, Random } from '../../mesh/std/clock.ts'
import type { OriginalDst } from '../intercept/original-dst.ts'
import type { CallerClaims } from './caller-claims.ts'
import type { FlowRecorder } from './flows/flow-recorder.ts'
import type { BlockPool } from './h2/blocks.ts'
import type { InboundRequests } from './hbone/inbound-requests.ts'
import type { HbonePool } from './hbone/pool.ts'
import type { HttpConnections } from './http/serve.ts'
import type { Http1Shared } from './http1/shared.ts'
import type { Names } from './names.ts'
import type { LiveCalls } from './policy/live-calls.ts'
import type { ReadGarbage } from './read-garbage.ts'
import type { ServerTlsHandshakes } from './server-tls.ts'
import type { Table } from './table.ts'
import type { Telemetry } from './telemetry/telemetry.ts'
import type { TlsContexts } from './tls-contexts.ts'
import type { ConnectionPool } from './transport/connection-pool.ts'
import type { Upstreams } from './transport/upstreams.ts'
import type { Clusters } from './upstream/clusters.ts'
import type { InboundLimits } from './upstream/inbound-limits.ts'

/**
 * What one data thread decides by. `table` and `contexts` are replaced whole; whoever handles a connection reads each
 * once and keeps it.
 */
export interface ThreadState {
  table: Table | undefined
  contexts: TlsContexts
  draining: boolean
  readonly pool: HbonePool
  /** Serves the requests that other agents send as streams. */
  readonly inboundRequests: InboundRequests
  /** Connections of callers that carry requests. */
  readonly httpConnections: HttpConnections
  /** Connections to applications. */
  readonly connections: ConnectionPool
  /** Sends requests to endpoints. */
  readonly upstreams: Upstreams
  /** Which endpoint is next, by destination. */
  readonly clusters: Clusters
  /** Names that calls are for. */
  readonly names: Names
  /** What is under way to this host's own ports, to be judged again. */
  readonly liveCalls: LiveCalls
  /** Notes who calls; undefined where nobody wants to know. */
  readonly flows?: FlowRecorder | undefined
  /** What bounds the requests to this host's own ports. */
  readonly inboundLimits: InboundLimits
  /** TLS of callers outside the mesh, where it ends here. */
  readonly serverTls: ServerTlsHandshakes
  /** Output buffers of all HTTP/1.1 connections. */
  readonly http1: Http1Shared
  /** Output buffers of all HTTP/2 connections. */
  readonly blocks: BlockPool
  /** Keeps the memory of reads in bounds. */
  readonly reads: ReadGarbage
  /** Where named credentials are, for calls by TLS to endpoints outside the mesh. */
  readonly credentialDirectory: string
  /** The port where other agents serve HBONE. */
  readonly hbonePort: number
  /** Where interception says that a connection was going; undefined when it was not redirected. */
  readonly originalDst: (socket: Socket) => OriginalDst | undefined
  readonly telemetry: Telemetry
  /** The identity of a caller whom the rules could not place, by its cgroup; undefined when it has none. */
  readonly callerOf: (socket: Socket, byCgroup: ReadonlyMap<string, string>) => Promise<string | undefined>
  /** The identity of whoever opened a connection that was not intercepted; undefined for nobody that is known. */
  readonly claimedBy: (socket: Socket, claims: CallerClaims) => Promise<string | undefined>
  readonly clock: Clock
  readonly random: Random
}
