import type { AgentConfig } from '../model/agent-config.ts'
import { describeError } from '../std/errors.ts'
import {
  agentConfigOf,
  changedNames,
  type HeldResource,
  type HeldResources,
  holdResource,
  standIn,
} from './held-resources.ts'
import type { Push, RejectedResource } from './messages.ts'

/**
 * Puts a whole configuration in use and names what of it could not be used; of those the version used before stays.
 * `changed` holds the names that differ from what was applied before. When it throws, nothing was put in use.
 */
export type ApplyConfig = (config: AgentConfig, changed: readonly string[]) => Promise<readonly RejectedResource[]>

/** What an agent has after a push. */
export interface Applied {
  /** In use, and only that. */
  readonly held: HeldResources
  /** Good, but of no use before `host` and `trust` are there; carried over to the next push of the session. */
  readonly waiting: HeldResources
  readonly rejected: readonly RejectedResource[]
}

/**
 * Works one push into what an agent holds: decodes, applies, and falls back by name to the last good version of
 * whatever does not decode or does not apply. A policy that does not decode and has no such version is not passed over:
 * what it is for is closed.
 */
export async function applyPush(push: Push, before: Applied, apply: ApplyConfig): Promise<Applied> {
  const { held } = before
  const rejected = new Map<string, string>()
  const wanted = wantedResources(push, before, rejected)
  for (const name of ['host', 'trust']) {
    const lastGood = held.get(name)
    if (wanted.has(name)) continue
    if (lastGood !== undefined) wanted.set(name, lastGood)
    if (!rejected.has(name)) rejected.set(name, lastGood === undefined ? 'is missing' : 'cannot be removed')
  }
  if (agentConfigOf(wanted) === undefined) return { held, waiting: wanted, rejected: listed(rejected) }
  const applied = await settle(wanted, held, apply, rejected)
  const same = changedNames(held, applied).length === 0
  return { held: same ? held : applied, waiting: new Map(), rejected: listed(rejected) }
}

function wantedResources(push: Push, before: Applied, rejected: Map<string, string>): Map<string, HeldResource> {
  const known = new Map([...before.held, ...before.waiting])
  const wanted = new Map(push.full ? [] : known)
  for (const name of push.removed) wanted.delete(name)
  for (const encoded of push.changed) {
    try {
      wanted.set(encoded.name, holdResource(encoded))
    } catch (error) {
      rejected.set(encoded.name, describeError(error))
      const lastGood = known.get(encoded.name)
      const isUsable = lastGood !== undefined && lastGood.resource.kind !== 'unreadable-policy'
      const kept = isUsable ? lastGood : standIn(encoded)
      if (kept === undefined) wanted.delete(encoded.name)
      else wanted.set(encoded.name, kept)
    }
  }
  return wanted
}

/** Applies, and as long as something is refused applies again with the last good version of it. */
async function settle(
  wanted: HeldResources,
  held: HeldResources,
  apply: ApplyConfig,
  rejected: Map<string, string>,
): Promise<HeldResources> {
  for (let next = wanted; ; ) {
    const changed = changedNames(held, next)
    const config = agentConfigOf(next)
    if (config === undefined || (changed.length === 0 && next === wanted)) return next
    const refused = await tryApply(apply, config, changed)
    if (refused === undefined) return next
    if (refused instanceof Error) {
      for (const name of changed) rejected.set(name, describeError(refused))
      return held
    }
    for (const { name, reason } of refused) rejected.set(name, reason)
    const reverted = revert(next, held, refused)
    // What was refused and did not change has no other version to fall back to; naming it is all there is.
    if (reverted === undefined) return next
    next = reverted
  }
}

async function tryApply(
  apply: ApplyConfig,
  config: AgentConfig,
  changed: readonly string[],
): Promise<readonly RejectedResource[] | Error | undefined> {
  try {
    const refused = await apply(config, changed)
    return refused.length === 0 ? undefined : refused
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function revert(
  next: HeldResources,
  held: HeldResources,
  refused: readonly RejectedResource[],
): HeldResources | undefined {
  const reverted = new Map(next)
  for (const { name } of refused) {
    const lastGood = held.get(name)
    if (lastGood === undefined) reverted.delete(name)
    else reverted.set(name, lastGood)
  }
  return changedNames(next, reverted).length === 0 ? undefined : reverted
}

function listed(rejected: ReadonlyMap<string, string>): readonly RejectedResource[] {
  return [...rejected].map(([name, reason]) => ({ name, reason }))
}
