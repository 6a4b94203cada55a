import { type FSWatcher, watch } from 'node:fs'
import type { Clock } from '../../mesh/std/clock.ts'

export interface DirectoryChangesOptions {
  /** How long it must have been quiet after a change, in milliseconds. */
  readonly debounceMs: number
  /** Longest wait for quiet, in milliseconds. */
  readonly debounceCapMs: number
}

/** Tells when one of several directories may have changed. */
export interface DirectoryChanges {
  /**
   * Follows these directories from now on, and no other: paths with what each is known by. A path that has become
   * another directory is followed anew. Returns whether any is followed that was not before.
   */
  follow(directories: ReadonlyMap<string, string>): boolean
  /** Resolves some quiet time after a change, after `atMostMs` without one, or when the signal aborts. */
  next(atMostMs: number, signal: AbortSignal): Promise<void>
  stop(): void
}

interface Followed {
  readonly identity: string
  readonly watcher: FSWatcher
}

/**
 * Follows directories by the kernel's notifications (fs.watch). They stick to the directory they were asked for, even
 * when another one takes its name, and file systems over a network send none: hence the identities and `atMostMs`.
 */
export function createDirectoryChanges(clock: Clock, options: DirectoryChangesOptions): DirectoryChanges {
  const followed = new Map<string, Followed>()
  let changedAt: number | undefined
  let wake: (() => void) | undefined

  const drop = (directory: string) => {
    followed.get(directory)?.watcher.close()
    followed.delete(directory)
  }
  const changed = () => {
    changedAt = clock.monotonic()
    wake?.()
  }
  const start = (directory: string, identity: string): boolean => {
    try {
      const watcher = watch(directory, { persistent: false }, changed)
      watcher.on('error', () => drop(directory))
      followed.set(directory, { identity, watcher })
      return true
    } catch {
      // out of watches or gone again: reading at intervals goes on, and the next read tries anew
      return false
    }
  }
  const wait = (delayMs: number, signal: AbortSignal) =>
    new Promise<void>(resolve => {
      if (signal.aborted) return resolve()
      const done = () => {
        timer.cancel()
        signal.removeEventListener('abort', done)
        wake = undefined
        resolve()
      }
      const timer = clock.timer(delayMs, done)
      signal.addEventListener('abort', done, { once: true })
      wake = done
    })

  return {
    follow(directories) {
      for (const [directory, { identity }] of followed) {
        if (directories.get(directory) !== identity) drop(directory)
      }
      let isNew = false
      for (const [directory, identity] of directories) {
        if (!followed.has(directory)) isNew = start(directory, identity) || isNew
      }
      return isNew
    },
    async next(atMostMs, signal) {
      if (changedAt === undefined) await wait(atMostMs, signal)
      if (changedAt === undefined) return
      const since = clock.monotonic()
      while (!signal.aborted) {
        const now = clock.monotonic()
        const quietIn = Math.min(changedAt + options.debounceMs, since + options.debounceCapMs) - now
        if (quietIn <= 0) break
        await wait(quietIn, signal)
      }
      changedAt = undefined
    },
    stop() {
      for (const directory of [...followed.keys()]) drop(directory)
    },
  }
}
