import { type FSWatcher, watch } from 'node:fs'
import type { Clock } from '../../mesh/std/clock.ts'

export interface DirectoryChangesOptions {
  /** How long it must have been quiet after a change, in milliseconds. */
  readonly debounceMs: number
  /** Longest wait for quiet, in milliseconds. */
  readonly debounceCapMs: number
}

/** Tells when a directory may have changed. */
export interface DirectoryChanges {
  /**
   * Follows the directory of this identity from now on and returns whether that is new; the identity that is followed
   * already changes nothing, none ends it.
   */
  follow(identity: string | undefined): boolean
  /** Resolves some quiet time after a change, after `atMostMs` without one, or when the signal aborts. */
  next(atMostMs: number, signal: AbortSignal): Promise<void>
  stop(): void
}

/**
 * Follows a directory by the kernel's notifications (fs.watch). They stick to the directory they were asked for, even
 * when another one takes its name, and file systems over a network send none: hence `identity` and `atMostMs`.
 */
export function createDirectoryChanges(
  directory: string,
  clock: Clock,
  options: DirectoryChangesOptions,
): DirectoryChanges {
  let watcher: FSWatcher | undefined
  let followed: string | undefined
  let changedAt: number | undefined
  let wake: (() => void) | undefined

  const drop = () => {
    watcher?.close()
    watcher = undefined
    followed = undefined
  }
  const changed = () => {
    changedAt = clock.monotonic()
    wake?.()
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
    follow(identity) {
      if (identity === followed) return false
      drop()
      if (identity === undefined) return false
      try {
        watcher = watch(directory, { persistent: false }, changed)
        watcher.on('error', drop)
        followed = identity
        return true
      } catch {
        // out of watches or gone again: reading at intervals goes on, and the next read tries anew
        drop()
        return false
      }
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
    stop: drop,
  }
}
