import type { Host } from '../netns/host.ts'

/** The two hosts every subject runs on: `client → outbound proxy → wire → inbound proxy → backend`. */
export interface BenchHosts {
  readonly client: Host
  readonly server: Host
}

export interface Address {
  readonly address: string
  readonly port: number
}

/** A proxy pair, or nothing at all, between client and backend. */
export interface Subject {
  readonly name: string
  start(bench: BenchSetup): Promise<RunningSubject>
}

export interface BenchSetup {
  readonly hosts: BenchHosts
  /** The backend on the server host's end of the cable between the hosts, plain HTTP/1.1. */
  readonly backend: Address
  /** Both sides' keys, certificates and their authority, as files: see `certificates.ts`. */
  readonly certificates: string
  /** For the subject's own files, empty at its start. */
  readonly directory: string
}

export interface RunningSubject {
  /** Where the client host's load generator connects. */
  readonly target: Address
  /** Process ids on either host; empty for the direct connection. */
  readonly outbound: readonly number[]
  readonly inbound: readonly number[]
  stop(): Promise<void>
}

/** What a load generator saw. */
export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errors: number
}

/** One load. */
export interface Scenario {
  readonly name: string
  readonly describe: string
  /** Bytes of each answer's body. */
  readonly bodyBytes: number
  /** Loads a target for that long and tells what came of it. */
  run(load: LoadTools, target: Address, seconds: number): Promise<LoadResult>
}

/** The load generators, on the client host. */
export interface LoadTools {
  wrk(target: Address, path: string, seconds: number, options: WrkOptions): Promise<LoadResult>
  /** h2load: `connections` × `streams` requests at once, HTTP/2 without TLS. */
  h2load(target: Address, path: string, seconds: number, options: H2LoadOptions): Promise<LoadResult>
  paced(target: Address, path: string, seconds: number, options: PacedOptions): Promise<LoadResult>
}

export interface WrkOptions {
  readonly connections: number
  readonly headers?: readonly string[]
}

export interface H2LoadOptions {
  readonly connections: number
  readonly streams: number
}

export interface PacedOptions {
  readonly perSecond: number
  readonly connections: number
}

/** One measurement of one subject under one load. */
export interface Sample {
  readonly requestsPerSecond: number
  /** CPU time of the proxies per request and hop, microseconds. */
  readonly cpuUsPerRequestPerHop: number
  /** CPU time of both proxies per GiB of bodies, seconds. */
  readonly cpuSecondsPerGiB: number
  /** CPU time of the whole machine per request, microseconds: cost that a proxy causes elsewhere shows here. */
  readonly machineUsPerRequest: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** The larger of the two proxies, after the load, MiB. */
  readonly rssMiB: number
  readonly errors: number
}

/** The median of the samples of one subject under one load. */
export interface Row extends Sample {
  readonly scenario: string
  readonly subject: string
  /** Half the distance between the smallest and the largest cost (or rate, without a proxy), as a share of the median. */
  readonly spread: number
}

export interface Ratio {
  readonly name: string
  readonly value: number
  readonly goal: string
  readonly met: boolean
}
