import { isBucketed } from '../../mesh/flows/bucket.ts'
import type { SeenFlow } from '../../mesh/flows/flow.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import type { NodeFlows } from './flow-store.ts'
import { createFlowJudge, type FlowVerdict, type JudgeWorld } from './judge.ts'
import { type NotKept, notKeptBy } from './not-kept.ts'

/** One caller of one port for whom something changes. */
export interface PlannedEffect {
  /** SPIFFE id; empty in plaintext. */
  readonly caller: string
  /** Where it called from; of callers with an identity the networks of all of them. */
  readonly networks: readonly string[]
  readonly service: string
  readonly port: number
  readonly nodes: readonly string[]
  /** `GET /orders/{*}`; none for connections. */
  readonly requests: readonly string[]
  /** Some path has lost what tells one request from the next: rules that ask for it may say something else. */
  readonly isPartial: boolean
  readonly count: number
  readonly lastSeen: number
  readonly before: FlowVerdict
  readonly after: FlowVerdict
}

/** What a change of resources would do to the callers that were seen. Times are milliseconds since 1970. */
export interface Plan {
  readonly now: number
  readonly cutOff: readonly PlannedEffect[]
  readonly letIn: readonly PlannedEffect[]
  readonly observed: {
    readonly flows: number
    /** When the first of them was seen; absent without any. */
    readonly since?: number
    readonly until?: number
    readonly nodes: readonly string[]
    /** Nodes of the mesh that have told of no call. */
    readonly silentNodes: readonly string[]
  }
  /** Flows of services that nobody serves any more. */
  readonly gone: number
  /** Flows that were allowed when they were seen, and are not by today's policies as far as they are known. */
  readonly unclear: number
  /** Rules, of now or then, that ask for what is not kept of calls. */
  readonly notKept: readonly NotKept[]
}

export interface PlanInput {
  readonly before: readonly Resource[]
  readonly after: readonly Resource[]
  readonly flows: readonly NodeFlows[]
  readonly nodes: readonly string[]
}

/** Judges all flows by today's resources and by those there would be. */
export function planOf({ before, after, flows, nodes }: PlanInput, world: JudgeWorld): Plan {
  const judgeBefore = createFlowJudge(before, world)
  const judgeAfter = createFlowJudge(after, world)
  const cutOff = new Map<string, Gathered>()
  const letIn = new Map<string, Gathered>()
  let [gone, unclear] = [0, 0]
  for (const { node, flows: seen } of flows) {
    for (const flow of seen) {
      const [was, willBe] = [judgeBefore(flow), judgeAfter(flow)]
      if (was === undefined || willBe === undefined) gone += 1
      else if (flow.allowed && !was.allowed) unclear += 1
      else if (flow.allowed && !willBe.allowed) gather(cutOff, node, flow, was, willBe)
      else if (!was.allowed && willBe.allowed) gather(letIn, node, flow, was, willBe)
    }
  }
  const all = flows.flatMap(one => one.flows)
  const known = new Set(flows.map(({ node }) => node))
  return {
    now: world.now,
    cutOff: effectsOf(cutOff),
    letIn: effectsOf(letIn),
    observed: {
      flows: all.length,
      ...(all.length > 0 && {
        since: all.reduce((least, { firstSeen }) => Math.min(least, firstSeen), Number.POSITIVE_INFINITY),
        until: all.reduce((most, { lastSeen }) => Math.max(most, lastSeen), 0),
      }),
      nodes: [...known],
      silentNodes: nodes.filter(node => !known.has(node)),
    },
    gone,
    unclear,
    notKept: notKeptBy([...before, ...after]),
  }
}

interface Gathered {
  readonly first: SeenFlow
  readonly was: FlowVerdict
  readonly willBe: FlowVerdict
  readonly flows: SeenFlow[]
  readonly nodes: Set<string>
}

function gather(
  into: Map<string, Gathered>,
  node: string,
  flow: SeenFlow,
  was: FlowVerdict,
  willBe: FlowVerdict,
): void {
  const who = flow.caller === '' ? flow.network : flow.caller
  const key = [who, flow.service, flow.port, was.by, willBe.by].join(' ')
  const known = into.get(key) ?? { first: flow, was, willBe, flows: [], nodes: new Set() }
  known.flows.push(flow)
  known.nodes.add(node)
  into.set(key, known)
}

function effectsOf(all: ReadonlyMap<string, Gathered>): readonly PlannedEffect[] {
  return [...all.entries()]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, { first, was, willBe, flows, nodes }]) => ({
      caller: first.caller,
      networks: [...new Set(flows.map(({ network }) => network))].sort(),
      service: first.service,
      port: first.port,
      nodes: [...nodes].sort(),
      requests: [...new Set(flows.flatMap(({ method, path }) => (method === '' ? [] : [`${method} ${path}`])))].sort(),
      isPartial: flows.some(({ path }) => isBucketed(path)),
      count: flows.reduce((sum, { count }) => sum + count, 0),
      lastSeen: Math.max(...flows.map(({ lastSeen }) => lastSeen)),
      before: was,
      after: willBe,
    }))
}
