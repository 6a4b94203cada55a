import { close, open, write } from 'node:fs'
import type { Clock, Timer } from '../../../mesh/std/clock.ts'

/** Takes lines; never waits and never blocks who writes one. */
export interface LogFile {
  /** False when nothing is kept: then lines need not be made. */
  readonly enabled: boolean
  /** Text of whole lines, each with its line feed. */
  write(lines: string): void
  /** Lines given up because the file or pipe was too slow. */
  dropped(): number
  stop(): Promise<void>
}

const flushBytes = 64 * 1024
const flushMs = 1000
/** Beyond this much waiting text, lines are dropped and counted. */
const maxWaitingBytes = 1024 * 1024

/**
 * Opens the log at a path (appending), or on standard output for `-`; undefined keeps none. Lines are gathered and
 * written 64 KiB or one second at a time.
 */
export function openLogFile(path: string | undefined, clock: Clock): LogFile {
  if (path === undefined) return { enabled: false, write() {}, dropped: () => 0, stop: async () => {} }
  let fd = path === '-' ? 1 : undefined
  let waiting = ''
  let dropped = 0
  let writing = false
  let timer: Timer | undefined
  let idle: (() => void) | undefined
  let opening = fd === undefined

  if (fd === undefined) {
    open(path, 'a', 0o640, (error, opened) => {
      opening = false
      if (error === null) fd = opened
      flush()
      if (!writing) idle?.()
    })
  }

  function flush(): void {
    timer?.cancel()
    timer = undefined
    if (writing || fd === undefined || waiting === '') return
    const block = Buffer.from(waiting)
    waiting = ''
    writing = true
    writeAll(fd, block, 0, () => {
      writing = false
      if (waiting.length >= flushBytes || idle !== undefined) flush()
      if (!writing) idle?.()
    })
  }

  return {
    enabled: true,
    write(lines) {
      if (waiting.length > maxWaitingBytes) {
        dropped += 1
        return
      }
      waiting += lines
      if (waiting.length >= flushBytes) flush()
      else timer ??= clock.timer(flushMs, flush)
    },
    dropped: () => dropped,
    async stop() {
      await new Promise<void>(resolve => {
        idle = resolve
        flush()
        if (!writing && !opening) resolve()
      })
      if (fd !== undefined && fd !== 1) close(fd, () => {})
      fd = undefined
    },
  }
}

/** Writes the whole block; a full pipe or disk loses it rather than holding anything up. */
function writeAll(fd: number, block: Buffer, offset: number, done: () => void): void {
  write(fd, block, offset, block.length - offset, null, (error, written) => {
    if (error !== null || offset + written >= block.length) return done()
    writeAll(fd, block, offset + written, done)
  })
}
