import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join, relative } from 'node:path'

/** Where the cgroup v2 hierarchy is mounted on this machine. */
export function cgroupRoot(): string {
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [, mountPoint, type] = line.split(' ')
    if (type === 'cgroup2' && mountPoint !== undefined) return mountPoint
  }
  throw new Error('no cgroup v2 hierarchy is mounted; mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified')
}

/**
 * The directory below which this process may make cgroups: the root for root, else its own cgroup, where systemd or
 * whoever else has handed that to its user.
 */
export function cgroupBase(): string {
  const root = cgroupRoot()
  try {
    accessSync(join(root, 'cgroup.procs'), constants.W_OK)
    return root
  } catch {
    return join(root, /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/')
  }
}

/** A cgroup of a test's own; everything in it, and it itself, goes away with `remove`. */
export interface CgroupTree {
  /** The path of a cgroup below, as a `CallerSelector` wants it: relative to the cgroup v2 root. Makes nothing. */
  path(below?: string): string
  /** Makes the cgroup and its parents; gives its directory. */
  make(below: string): string
  /** Kills what runs in the cgroup and takes it away with all its children, as systemd does when a unit stops. */
  remove(below?: string): Promise<void>
}

/** A tree of cgroups whose top is `name`, directly below {@link cgroupBase}. */
export function createCgroupTree(name: string): CgroupTree {
  const root = cgroupRoot()
  const base = cgroupBase()
  const directory = (below = '') => join(base, name, below)
  return {
    path: below => relative(root, directory(below)),
    make(below) {
      mkdirSync(directory(below), { recursive: true })
      return directory(below)
    },
    async remove(below) {
      const at = directory(below)
      for (let tries = 0; existsSync(at); tries += 1) {
        if (removeTree(at)) return
        if (tries > 200) throw new Error(`cgroup ${at} is still busy`)
        await new Promise(resolve => setTimeout(resolve, 10))
      }
    },
  }
}

/** One try, deepest first; false while something in it is still dying. */
function removeTree(directory: string): boolean {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(directory, entry.name))
    }
    for (const pid of readFileSync(join(directory, 'cgroup.procs'), 'utf8').split('\n')) {
      if (pid !== '' && pid !== '0') process.kill(Number(pid), 'SIGKILL')
    }
    rmdirSync(directory)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}
