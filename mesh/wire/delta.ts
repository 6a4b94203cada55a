import { type EncodedResource, maxMessageBytes, type RejectedResource } from './messages.ts'

/**
 * The most bytes of resources in one push, unless one resource alone is larger. Small enough that a slow line carries
 * a push well within the time after which a side that is not heard counts as gone.
 */
export const maxPushBytes = 2 * 1024 * 1024

/** The largest body that still fits into a message beside its name, hash and framing. */
const maxBodyBytes = maxMessageBytes - 64 * 1024

/** What an agent is to have, as compiled for it alone. Bodies are shared between agents. */
export interface AgentView {
  /** Grows with every change. */
  readonly version: number
  readonly resources: ReadonlyMap<string, EncodedResource>
}

/** A view as one agent may have it. */
export interface OfferedView {
  readonly view: AgentView
  /** What is kept from the agent, which is too old for it. */
  readonly withheld: readonly RejectedResource[]
}

/** Leaves out what an agent of these capabilities would take for something else. */
export function offeredView(view: AgentView, capabilities: ReadonlySet<string>): OfferedView {
  const withheld: RejectedResource[] = []
  for (const { name, needs } of view.resources.values()) {
    if (needs === undefined || capabilities.has(needs)) continue
    withheld.push({ name, reason: `this agent is too old for it, it lacks ${needs}`, withheld: true })
  }
  if (withheld.length === 0) return { view, withheld }
  const resources = new Map(view.resources)
  for (const { name } of withheld) resources.delete(name)
  return { view: { ...view, resources }, withheld }
}

/** A version of a resource that an agent could not use. */
export interface Rejection extends RejectedResource {
  readonly hash: string
}

/** What the server knows an agent to have, and what it knows it to have refused. */
export interface Knowledge {
  /** Name to hash. */
  readonly applied: ReadonlyMap<string, string>
  readonly rejected: ReadonlyMap<string, Rejection>
}

export interface Delta {
  readonly changed: readonly EncodedResource[]
  readonly removed: readonly string[]
  /** False when more follows with the next push. */
  readonly complete: boolean
}

/**
 * What to send next so that the agent comes to have the view. What it refused is not sent again while it is the same.
 * `host` and `trust` go first, because nothing can be used without them, then policies; removals go last, because a
 * service that is still called must not vanish before its successor is there.
 */
export function nextDelta(view: AgentView, known: Knowledge, maxBytes = maxPushBytes): Delta {
  const wanted = (resource: EncodedResource) =>
    known.applied.get(resource.name) !== resource.hash && known.rejected.get(resource.name)?.hash !== resource.hash
  const due = [...view.resources.values()].filter(wanted)
  due.sort((one, other) => rank(one.name) - rank(other.name))
  const changed: EncodedResource[] = []
  let bytes = 0
  for (const resource of due) {
    bytes += resource.body.length + resource.name.length
    if (changed.length > 0 && bytes > maxBytes) return { changed, removed: [], complete: false }
    changed.push(resource)
  }
  const removed = [...known.applied.keys()].filter(name => !view.resources.has(name))
  return { changed, removed, complete: true }
}

/**
 * Rejections that still say something about the view, because the same version is still wanted, and those that need no
 * agent: resources too large for any message.
 */
export function currentRejections(
  view: AgentView,
  rejected: ReadonlyMap<string, Rejection>,
): ReadonlyMap<string, Rejection> {
  const current = new Map([...rejected].filter(([name, { hash }]) => view.resources.get(name)?.hash === hash))
  for (const [name, { hash, body }] of view.resources) {
    if (body.length > maxBodyBytes) current.set(name, { name, hash, reason: `is larger than ${maxBodyBytes} bytes` })
  }
  return current
}

/** Policies go before what they protect: a workload must not be served for a moment without them. */
function rank(name: string): number {
  if (name === 'host' || name === 'trust') return 0
  return isPolicy(name) ? 1 : 2
}

/** Whether the resource of this name is a policy. */
export function isPolicy(name: string): boolean {
  return name.startsWith('policy/')
}
