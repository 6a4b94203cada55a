/**
 * What header values may say of a request (`%PROTOCOL%`), as the data plane keeps it for its own record; what is not
 * known yet is empty, or 0.
 */
export interface RequestFacts {
  readonly protocol: string
  readonly isGrpc: boolean
  /** When the request's head had come, milliseconds since 1970. */
  readonly startedAt: number
  /** `ip:port` each. */
  readonly downstreamRemoteAddress: string
  readonly downstreamLocalAddress: string
  readonly upstreamHost: string
  readonly upstreamLocalAddress: string
  readonly upstreamCluster: string
  readonly requestedServerName: string
  readonly routeName: string
  readonly requestId: string
  readonly status: number
  /** Envoy's response flags. */
  readonly flags: string
  readonly codeDetails: string
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly attempts: number
  /** Name of the host whose agent this is. */
  readonly node: string
}
