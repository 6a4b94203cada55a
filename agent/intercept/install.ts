import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { readResolvConf } from '../dns/resolv-conf.ts'
import { checkedCgroupPath, checkedEndpoint, checkedPort, checkedRange } from './addresses.ts'
import { type CallerFacts, type CallerStatus, type ResolvedCallers, resolveCallers } from './callers.ts'
import type { CgroupTree } from './cgroups.ts'
import { type SetPlan, setsHold, writeSets } from './ipset.ts'
import { type CapturePlan, families, type SelfMatch } from './plan.ts'
import { ensureRoutes, removeRoutes } from './routes.ts'
import { captureRules, type RuleFacts, type RuleSet } from './rules.ts'
import { difference } from './saved-rules.ts'
import { hasIpv6 } from './self-test.ts'
import type { Tables } from './tables.ts'
import type { Tools } from './tools.ts'

/** The latest plan, and what of it is in the kernel. The caller sees to it that one call runs at a time. */
export interface Installer {
  /** Takes a plan after checking it; throws `WEFT_CAPTURE` and keeps the last one when it is invalid. */
  plan(plan: CapturePlan): void
  /** Puts the latest plan in place, unless it is already. */
  install(): Promise<void>
  /** Compares the kernel with the plan, or only the callers, and puts it right; tells what was wrong. */
  repair(mind: 'everything' | 'callers'): Promise<string | undefined>
  installed(): boolean
  callers(): readonly CallerStatus[]
  /** Cgroups whose coming and going matters to the plan. */
  cgroupPaths(): readonly string[]
}

export interface InstallerDeps {
  readonly tools: Tools
  readonly tables: readonly Tables[]
  readonly facts: CallerFacts
  readonly tree: CgroupTree | undefined
  readonly log: Log
}

export interface InstallerOptions {
  readonly mode: 'mesh' | 'all'
  readonly self: SelfMatch
  readonly excludePorts?: readonly number[]
  readonly excludeDestinations?: readonly string[]
  readonly resolvConf?: string
}

interface Installed {
  readonly plan: CapturePlan
  readonly resolved: ResolvedCallers
  readonly resolvers: readonly string[]
  /** The rules as they were written, as text to compare with. */
  readonly rules: string
  /** What the kernel said of each family right after it was written. */
  readonly fingerprints: readonly string[]
}

const attempts = 5

export function createInstaller(deps: InstallerDeps, options: InstallerOptions): Installer {
  const { tools, tables, facts, log } = deps
  let latest: CapturePlan | undefined
  let installed: Installed | undefined
  let inSets: SetPlan | undefined

  const ruleFacts = (resolved: ResolvedCallers, resolvers: readonly string[]): RuleFacts => ({
    mode: options.mode,
    self: options.self,
    callers: resolved.matches,
    excludePorts: options.excludePorts ?? [],
    excludeRanges: options.excludeDestinations ?? [],
    resolvers,
  })
  const resolversOf = (plan: CapturePlan) =>
    plan.dnsPort === undefined ? [] : readResolvConf(options.resolvConf ?? '/etc/resolv.conf').servers
  const rangesOf = (plan: CapturePlan) => plan.virtualIpRanges.filter(range => !range.includes(':') || hasIpv6())

  /** `force` writes the rules even when they are the ones written last. */
  async function install(plan: CapturePlan, force: boolean): Promise<void> {
    // the set comes first, because rules can only name a set that is there
    if (inSets?.endpoints !== plan.endpoints || inSets.ranges !== plan.ranges) {
      await writeSets(tools, plan, installed?.plan)
      inSets = plan
    }
    for (let attempt = 1; ; attempt += 1) {
      const resolved = await resolveCallers(plan.callers, facts)
      const resolvers = resolversOf(plan)
      try {
        const sets = tables.map(({ family }) => captureRules(plan, ruleFacts(resolved, resolvers), family))
        const rules = JSON.stringify(sets)
        // most plans differ in their endpoints only, and those are in the set
        const done = !force && installed?.rules === rules && sameCgroups(installed.resolved, resolved)
        const fingerprints = done
          ? installed?.fingerprints
          : await Promise.all(tables.map((table, at) => write(table, sets[at])))
        installed = { plan, resolved, resolvers, rules, fingerprints: fingerprints ?? [] }
        // a cgroup that was replaced while we wrote left a rule behind that matches nothing
        if (!haveMoved(resolved, deps.tree) || attempt >= attempts) break
      } catch (error) {
        // one cgroup that vanished in between makes the kernel refuse the whole transaction
        if (!haveMoved(resolved, deps.tree) || attempt >= attempts) throw error
        log.debug('a cgroup changed while rules were written', { error: describeError(error), attempt })
      }
    }
    // after the rules: a restarted service waits for its rule, while routes hardly ever change
    await ensureRoutes(tools, rangesOf(plan))
    await removeRoutes(tools, plan.virtualIpRanges)
  }

  const write = (table: Tables, rules: RuleSet | undefined) =>
    rules === undefined ? Promise.resolve('') : table.apply(rules)

  async function fault(now: Installed): Promise<string | undefined> {
    for (const [index, table] of tables.entries()) {
      const reason = difference(await table.read(), now.fingerprints[index] ?? '')
      if (reason !== undefined) return reason
    }
    if (!(await setsHold(tools, now.plan))) {
      inSets = undefined
      return 'the endpoint sets were changed'
    }
    const routes = await ensureRoutes(tools, rangesOf(now.plan))
    return routes.length > 0 ? 'a route to virtual addresses was missing' : undefined
  }

  async function callersChanged(now: Installed): Promise<boolean> {
    if (haveMoved(now.resolved, deps.tree)) return true
    const { matches } = await resolveCallers(now.plan.callers, facts)
    return !same(matches, now.resolved.matches) || !same(resolversOf(now.plan), now.resolvers)
  }

  return {
    plan(plan) {
      check(plan, ruleFacts({ matches: [], status: [], cgroups: new Map() }, []))
      latest = plan
    },
    async install() {
      if (latest !== undefined && latest !== installed?.plan) await install(latest, false)
    },
    async repair(mind) {
      if (latest === undefined) return undefined
      if (installed === undefined || installed.plan !== latest) {
        await install(latest, true)
        return 'the last plan was not in place'
      }
      const reason = (await callersChanged(installed))
        ? 'callers changed'
        : mind === 'everything'
          ? await fault(installed)
          : undefined
      if (reason !== undefined) await install(installed.plan, true)
      return reason
    },
    installed: () => installed !== undefined && installed.plan === latest,
    callers: () => installed?.resolved.status ?? [],
    cgroupPaths: () => [...new Set((latest?.callers ?? []).flatMap(({ selectors }) => selectors.flatMap(pathOf)))],
  }
}

/** Throws for any value that could not become a rule, whatever the family. */
function check(plan: CapturePlan, facts: RuleFacts): void {
  for (const family of families) captureRules(plan, facts, family)
  plan.endpoints.forEach(checkedEndpoint)
  for (const { range, port } of plan.ranges ?? []) {
    checkedRange(range)
    checkedPort(port)
  }
  plan.virtualIpRanges.forEach(checkedRange)
}

/** True when a cgroup is not the one it was when it was looked at. */
function haveMoved(resolved: ResolvedCallers, tree: CgroupTree | undefined): boolean {
  return [...resolved.cgroups].some(([path, id]) => tree?.id(path) !== id)
}

/** A rule of the same text is another rule when its cgroup is another one. */
function sameCgroups(a: ResolvedCallers, b: ResolvedCallers): boolean {
  return a.cgroups.size === b.cgroups.size && [...a.cgroups].every(([path, id]) => b.cgroups.get(path) === id)
}

function pathOf(selector: CapturePlan['callers'][number]['selectors'][number]): string[] {
  if (selector.kind !== 'cgroup') return []
  try {
    return [checkedCgroupPath(selector.path)]
  } catch {
    return []
  }
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
