import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** The cgroup v2 tree of this machine, read-only. */
export interface CgroupTree {
  /** Where it is mounted. */
  readonly root: string
  /**
   * What tells a cgroup from an earlier one with the same path; undefined when there is none now. The kernel never
   * uses a number twice.
   */
  id(path: string): bigint | undefined
  /** Real uids of the processes in a cgroup and below; empty when it does not exist. */
  uids(path: string): ReadonlySet<number>
}

/** Finds the hierarchy through `/proc/mounts`; undefined on a machine that has none. */
export function findCgroupTree(mounts = readFileSync('/proc/mounts', 'utf8')): CgroupTree | undefined {
  for (const line of mounts.split('\n')) {
    const [, mountPoint, type] = line.split(' ')
    if (type === 'cgroup2' && mountPoint !== undefined) return createCgroupTree(unescapeMount(mountPoint))
  }
  return undefined
}

/** The tree below a directory. */
export function createCgroupTree(root: string): CgroupTree {
  return {
    root,
    id: path => statSync(join(root, path), { bigint: true, throwIfNoEntry: false })?.ino,
    uids(path) {
      const uids = new Set<number>()
      collectUids(join(root, path), uids)
      return uids
    },
  }
}

/** The path of this process below the root, without a leading slash; undefined when it lies outside of what we see. */
export function ownCgroupPath(text = readFileSync('/proc/self/cgroup', 'utf8')): string | undefined {
  const path = /^0::\/(.*)$/m.exec(text)?.[1]
  return path === undefined || path.split('/').includes('..') ? undefined : path.replace(/ \(deleted\)$/, '')
}

function collectUids(directory: string, uids: Set<number>): void {
  for (const pid of readLines(join(directory, 'cgroup.procs'))) {
    const status = readLines(`/proc/${pid}/status`).find(line => line.startsWith('Uid:'))
    const uid = Number(status?.split('\t')[1] ?? Number.NaN)
    if (!Number.isNaN(uid)) uids.add(uid)
  }
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) collectUids(join(directory, entry.name), uids)
    }
  } catch {
    // it went away while we looked: it has no processes then
  }
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line !== '')
  } catch {
    return []
  }
}

/** `/proc/mounts` writes spaces and the like as octal numbers. */
function unescapeMount(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
