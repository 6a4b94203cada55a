import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import { checkedCgroupPath } from './addresses.ts'
import { type CgroupTree, ownCgroupPath } from './cgroups.ts'
import type { SelfMatch } from './plan.ts'

/**
 * How the agent's own connections are told from everybody else's. The kernel looks at the cgroup that a socket was
 * made in, so this has to come before the first socket that is to be exempt.
 */

export interface SelfExemption {
  readonly match: SelfMatch
  /** Moves the process back to where it came from and takes the cgroup away. */
  undo(): void
}

const prefix = 'weft-agent-'

/**
 * Moves this process into `<its cgroup>/weft-agent-<node>`. Without a cgroup v2 tree that may be written, a uid that
 * only the agent uses does the same; without that either, throws `WEFT_CAPTURE`.
 */
export function exemptSelf(tree: CgroupTree | undefined, node: string): SelfExemption {
  const name = `${prefix}${node.replace(/[^\w.-]/g, '_')}`
  let reason = 'no cgroup v2 hierarchy is mounted'
  if (tree !== undefined) {
    const home = ownCgroupPath()
    if (home === undefined) reason = 'the process runs outside of the cgroup hierarchy it sees'
    else {
      try {
        return moveInto(tree, home, name)
      } catch (error) {
        reason = describeError(error)
      }
    }
  }
  return exemptUid(reason)
}

/** Removes what a killed agent left of its cgroup; harmless when it is in use or not there. */
export function removeSelfCgroup(tree: CgroupTree, path: string): void {
  if (!(path.split('/').at(-1) ?? '').startsWith(prefix)) return
  try {
    rmdirSync(join(tree.root, checkedCgroupPath(path)))
  } catch {
    // an agent lives in it, or it went with the unit
  }
}

function moveInto(tree: CgroupTree, home: string, name: string): SelfExemption {
  // an agent that was replaced by exec is there already
  const path = home.split('/').at(-1) === name ? home : join(home, name)
  const directory = join(tree.root, path)
  mkdirSync(directory, { recursive: true })
  const move = (to: string) => writeFileSync(join(to, 'cgroup.procs'), String(process.pid))
  try {
    move(directory)
  } catch (error) {
    removeSelfCgroup(tree, path)
    throw error
  }
  return {
    match: { kind: 'cgroup', path: checkedCgroupPath(path) },
    undo() {
      if (path === home) return
      try {
        move(join(tree.root, home))
        rmdirSync(directory)
      } catch {
        // children that are still ending keep it busy; cleanup or the next start deals with it
      }
    },
  }
}

function exemptUid(reason: string): SelfExemption {
  const uid = process.geteuid?.() ?? 0
  const next = 'mount cgroup v2 (mount -t cgroup2 none /sys/fs/cgroup), or run the agent as a user of its own'
  if (uid === 0) {
    throw new MeshError('WEFT_CAPTURE', 'the agent cannot be told from other programs', { fields: { reason }, next })
  }
  const others = processesOf(uid)
  if (others.length > 0) {
    const fields = { reason, uid, processes: others.slice(0, 10) }
    throw new MeshError('WEFT_CAPTURE', 'other programs run as the user of the agent', { fields, next })
  }
  return { match: { kind: 'uid', uid }, undo() {} }
}

/** Processes of a user that are not this one or a child of it. */
function processesOf(uid: number): number[] {
  const found: number[] = []
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const status = readFileSync(`/proc/${entry}/status`, 'utf8')
      const own = Number(entry) === process.pid || status.includes(`\nPPid:\t${process.pid}\n`)
      if (!own && new RegExp(`^Uid:\\t${uid}\\t`, 'm').test(status)) found.push(Number(entry))
    } catch {
      // ended while we looked
    }
  }
  return found
}
