import { readFileSync } from 'node:fs'
import type { Clock } from '../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { type CallerStatus, createCallerFacts } from './callers.ts'
import { watchCgroups } from './cgroup-watch.ts'
import { type CgroupTree, findCgroupTree } from './cgroups.ts'
import { cleanupCapture } from './cleanup.ts'
import { createInstaller } from './install.ts'
import type { CapturePlan, SelfMatch } from './plan.ts'
import { exemptSelf } from './self-cgroup.ts'
import { proveExemption } from './self-test.ts'
import { createTables } from './tables.ts'
import { createTools, type Tools } from './tools.ts'
import { verifyEvery } from './verify.ts'

/**
 * Capture as a whole: puts the rules of the latest plan in place and keeps them there. It decides where connections
 * are sent, never what becomes of them, and it touches nothing on the host that is not its own.
 */

export interface CaptureDeps {
  readonly log: Log
  readonly clock: Clock
  /** The machine's own when left out. */
  readonly tools?: Tools
  readonly tree?: CgroupTree
}

export interface CaptureOptions {
  /** Name of this host's agent: tells its cgroup from those of other agents. */
  readonly node: string
  /** `mesh` captures virtual addresses and known endpoints, `all` every TCP connection but the excluded ones. */
  readonly mode: 'mesh' | 'all'
  /** TCP ports and CIDR prefixes that are never captured, besides the built-in ones. */
  readonly excludePorts?: readonly number[]
  readonly excludeDestinations?: readonly string[]
  /**
   * What becomes of mesh addresses when the agent is stopped. `closed`: the rules stay, so they are refused until the
   * agent is back or `weft agent cleanup` was run. `open`: a graceful stop removes the rules, so that real addresses
   * are reached directly and in plaintext. An agent that is killed removes nothing, in either case: let the service
   * manager run the cleanup then (`ExecStopPost=`) where `open` is wanted.
   */
  readonly onAgentDown: 'closed' | 'open'
  /** Time between two looks at the rules, 3000 when left out. */
  readonly verifyIntervalMs?: number
  /** Where the resolvers are listed whose port 53 a plan's `dnsPort` redirects. */
  readonly resolvConf?: string
}

export interface CaptureStatus {
  /** True when the rules of the latest plan are in place. */
  readonly active: boolean
  readonly self: SelfMatch
  readonly backend: 'nft' | 'legacy'
  readonly callers: readonly CallerStatus[]
  /** How often rules had to be put back, and why the last time. */
  readonly repairs: { readonly count: number; readonly lastReason?: string; readonly lastAt?: number }
  /** Why the rules of the latest plan are not in place. */
  readonly error?: string
}

export interface Capture {
  /** Puts a plan to use; resolves when the kernel has it. Throws `WEFT_CAPTURE`, and an invalid plan changes nothing. */
  update(plan: CapturePlan): Promise<void>
  status(): CaptureStatus
  /** Ends the watching; removes the rules when the option `onAgentDown` is `open`. Twice is harmless. */
  stop(): Promise<void>
}

/**
 * Makes this process exempt, proves it, and begins to watch. Rules of an earlier run stay untouched until the first
 * plan. Has to be called before the sockets are made that are to be exempt. Throws `WEFT_CAPTURE` when tools or rights
 * are missing.
 */
export async function startCapture(deps: CaptureDeps, options: CaptureOptions): Promise<Capture> {
  const { log, clock } = deps
  const tools = deps.tools ?? createTools()
  const tree = deps.tree ?? findCgroupTree()
  const tables = createTables(tools)
  const backend = await checkTools(tools, log)
  const self = exemptSelf(tree, options.node)
  try {
    await proveExemption(tables, self.match, clock)
  } catch (error) {
    self.undo()
    throw error
  }
  log.info('own connections are exempt from capture', { self: self.match, backend })

  const facts = createCallerFacts(tree, tools)
  const installer = createInstaller({ tools, tables, facts, tree, log }, { ...options, self: self.match })
  let repairs: CaptureStatus['repairs'] = { count: 0 }
  let failure: string | undefined
  let stopped: Promise<void> | undefined
  let queue: Promise<unknown> = Promise.resolve()
  /** One change at a time, in order. */
  const exclusive = (step: () => Promise<void>) => {
    const done = queue.then(step)
    queue = done.catch(() => {})
    return done
  }
  /** Looks, and puts right what is not; a failure is told once and tried again by the next look. */
  const look = (mind: 'everything' | 'callers') =>
    exclusive(async () => {
      if (stopped !== undefined) return
      try {
        const reason = await installer.repair(mind)
        if (reason !== undefined && reason !== 'callers changed') {
          repairs = { count: repairs.count + 1, lastReason: reason, lastAt: clock.now() }
          log.warn('capture rules were put back', { reason, count: repairs.count })
        }
        failure = undefined
      } catch (error) {
        const text = describeError(error)
        if (failure !== text)
          log.error('capture rules could not be verified or repaired', { error: text, ...fieldsOf(error) })
        failure = text
      }
    })
  const cgroups = tree === undefined ? undefined : watchCgroups(tree, () => void look('callers'))
  const verifier = verifyEvery(clock, options.verifyIntervalMs ?? 3_000, () => look('everything'))
  return {
    async update(plan) {
      installer.plan(plan)
      cgroups?.paths(installer.cgroupPaths())
      await exclusive(async () => {
        if (stopped !== undefined) return
        try {
          await installer.install()
          failure = undefined
        } catch (error) {
          failure = describeError(error)
          throw error
        }
      })
    },
    status: () => ({
      active: installer.installed() && failure === undefined,
      self: self.match,
      backend,
      callers: installer.callers(),
      repairs,
      ...(failure === undefined ? {} : { error: failure }),
    }),
    stop() {
      verifier.stop()
      cgroups?.stop()
      stopped ??= queue.then(async () => {
        if (options.onAgentDown === 'open') await cleanupCapture({ tools, tree })
        self.undo()
      })
      return stopped
    },
  }
}

/** Every tool is there and may be used; tells which of the two iptables it is. */
async function checkTools(tools: Tools, log: Log): Promise<'nft' | 'legacy'> {
  const version = await tools.run('iptables', ['--version'])
  await tools.run('ip6tables-save', [])
  await tools.run('ipset', ['list', '-n'])
  await tools.run('ip', ['-4', 'route', 'show'])
  const backend = version.includes('nf_tables') ? 'nft' : 'legacy'
  // rules of the other backend are invisible to this one, and both are in force
  const other = readIfThere('/proc/net/ip_tables_names')
  if (backend === 'nft' && /^nat$/m.test(other)) {
    log.warn('legacy iptables rules are in use beside nft ones', { tables: other.trim().split('\n') })
  }
  return backend
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

function fieldsOf(error: unknown): Readonly<Record<string, unknown>> {
  return error instanceof MeshError ? error.fields : {}
}
