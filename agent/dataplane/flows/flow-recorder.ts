import { anyPath, bucketAddress, bucketMethod, bucketPath } from '../../../mesh/flows/bucket.ts'
import { flowKey, maxFlows, type SeenFlow } from '../../../mesh/flows/flow.ts'
import type { Clock } from '../../../mesh/std/clock.ts'
import { carriesBytes } from '../policy/calls.ts'
import type { LocalTarget } from '../table.ts'

/** Who calls: the same object for all calls of one caller in one session. */
export interface FlowPeer {
  readonly identity: string
  readonly ip: string
}

/** What of a request makes its flow. */
export interface FlowRequest {
  readonly method: string
  /** Normalised, with its query. */
  readonly path: string
  /** `<iss>/<sub>` of the verified token; empty without one. */
  readonly principal: string
}

/** Distinct paths of one port that are told apart; further ones are `{**}`. */
const maxPaths = 100
const maxPorts = 1_000
/** Paths of one caller whose flows are found at once. */
const maxKnown = 64

type Counted = { -readonly [K in keyof SeenFlow]: SeenFlow[K] }

interface Known {
  readonly authority: string
  readonly method: string
  readonly principal: string
  readonly flow: Counted
}

interface KnownPeer {
  readonly network: string
  readonly paths: Map<string, Known[]>
}

const noRequest: FlowRequest = { method: '', path: '', principal: '' }

/**
 * Counts the flows of one thread until they are taken. What a caller has done before is found by one look-up for the
 * caller and one for its path; texts are made for what is new only.
 */
export class FlowRecorder {
  readonly #clock: Pick<Clock, 'now'>
  readonly #paths = new Map<string, Set<string>>()
  #flows = new Map<string, Counted>()
  #known = new WeakMap<FlowPeer, KnownPeer>()
  #dropped = 0

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** Notes a call that was judged; without a request it is a connection. */
  saw(peer: FlowPeer, target: LocalTarget, allowed: boolean, request: FlowRequest = noRequest): void {
    let caller = this.#known.get(peer)
    if (caller === undefined) {
      caller = { network: bucketAddress(peer.ip), paths: new Map() }
      this.#known.set(peer, caller)
    }
    const { paths } = caller
    const known = paths.get(request.path)
    if (known !== undefined) {
      for (const { authority, method, principal, flow } of known) {
        if (
          flow.allowed === allowed &&
          method === request.method &&
          authority === target.authority &&
          principal === request.principal
        ) {
          flow.count += 1
          flow.lastSeen = this.#clock.now()
          return
        }
      }
    }
    const flow = this.#note(peer, caller.network, target, allowed, request)
    if (flow === undefined) return
    const { method, path, principal } = request
    const found = { authority: target.authority, method, principal, flow }
    if (known !== undefined && known.length < maxKnown) known.push(found)
    else if (paths.size < maxKnown) paths.set(path, [found])
  }

  /** What was seen since the last time, and how many calls there was no room for. */
  take(): { readonly flows: readonly SeenFlow[]; readonly dropped: number } {
    const taken = { flows: [...this.#flows.values()], dropped: this.#dropped }
    this.#flows = new Map()
    this.#known = new WeakMap()
    this.#dropped = 0
    return taken
  }

  #note(
    peer: FlowPeer,
    network: string,
    target: LocalTarget,
    allowed: boolean,
    request: FlowRequest,
  ): Counted | undefined {
    const { workload, port } = target
    const isBytes = request === noRequest || carriesBytes(target)
    const now = this.#clock.now()
    const fresh: Counted = {
      caller: peer.identity,
      network,
      workload: workload.id,
      service: port.service,
      port: port.port,
      protocol: isBytes ? 'tcp' : 'http',
      method: isBytes ? '' : bucketMethod(request.method),
      path: isBytes ? '' : this.#path(target.authority, request.path),
      principal: isBytes ? '' : request.principal,
      allowed,
      count: 1,
      firstSeen: now,
      lastSeen: now,
    }
    const key = flowKey(fresh)
    const flow = this.#flows.get(key)
    if (flow !== undefined) {
      flow.count += 1
      flow.lastSeen = now
      return flow
    }
    if (this.#flows.size >= maxFlows) {
      this.#dropped += 1
      return undefined
    }
    this.#flows.set(key, fresh)
    return fresh
  }

  #path(authority: string, path: string): string {
    let paths = this.#paths.get(authority)
    if (paths === undefined) {
      // ports of workloads that are gone
      if (this.#paths.size >= maxPorts) this.#paths.clear()
      paths = new Set()
      this.#paths.set(authority, paths)
    }
    const bucket = bucketPath(path)
    if (paths.has(bucket)) return bucket
    if (paths.size >= maxPaths) return anyPath
    paths.add(bucket)
    return bucket
  }
}
