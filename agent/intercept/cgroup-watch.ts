import { type FSWatcher, watch } from 'node:fs'
import { dirname, join } from 'node:path'
import type { CgroupTree } from './cgroups.ts'

/** Tells when one of a list of cgroups appears, disappears, or is replaced by another one of the same path. */
export interface CgroupWatch {
  /** From now on exactly these paths are watched. */
  paths(paths: readonly string[]): void
  stop(): void
}

interface Watched {
  readonly id: bigint
  readonly watcher: FSWatcher
}

/**
 * Watches through inotify on every directory that leads to a watched cgroup: the kernel reports mkdir and rmdir there.
 * `changed` is called at once for each report that may matter; it may be called when nothing has changed, and an
 * inotify queue that overflows loses reports: whoever needs certainty compares {@link CgroupTree.id} now and then.
 */
export function watchCgroups(tree: CgroupTree, changed: () => void): CgroupWatch {
  const watched = new Map<string, Watched>()
  let wanted: readonly string[] = []
  let stopped = false

  const close = (directory: string) => {
    watched.get(directory)?.watcher.close()
    watched.delete(directory)
  }
  const look = () => {
    if (stopped) return
    const directories = new Set(wanted.flatMap(ancestors))
    for (const directory of watched.keys()) {
      if (!directories.has(directory) || tree.id(directory) !== watched.get(directory)?.id) close(directory)
    }
    // shortest first: a child that appears while we get there is seen by its parent's watch or by our own look
    for (const directory of [...directories].toSorted((a, b) => a.length - b.length)) open(directory)
  }
  const open = (directory: string) => {
    const id = tree.id(directory)
    if (id === undefined || watched.has(directory)) return
    try {
      const watcher = watch(join(tree.root, directory), { persistent: false }, () => {
        look()
        if (!stopped) changed()
      })
      watcher.on('error', () => close(directory))
      watched.set(directory, { id, watcher })
    } catch {
      // gone in between, or out of inotify watches: the regular look will find out
    }
  }
  return {
    paths(paths) {
      wanted = paths
      look()
    },
    stop() {
      stopped = true
      for (const directory of [...watched.keys()]) close(directory)
    },
  }
}

/** Every directory above a path, the root being the empty string. */
function ancestors(path: string): string[] {
  const all: string[] = []
  for (let at = dirname(path); at !== '.'; at = dirname(at)) all.push(at)
  return [...all, '']
}
