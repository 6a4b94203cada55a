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

const blockBytes = 64 * 1024
const flushMs = 1000
/** Beyond this much waiting text, lines are dropped and counted. */
const maxWaitingBytes = 1024 * 1024

/**
 * Opens the log at a path (appending), or on standard output for `-`; undefined keeps none. Lines are gathered and
 * written 64 KiB or one second at a time. They are written into a block at once: texts that waited would outlive the
 * young generation of the heap, each with all the pieces it was put together from.
 */
export function openLogFile(path: string | undefined, clock: Clock): LogFile {
  if (path === undefined) return { enabled: false, write() {}, dropped: () => 0, stop: async () => {} }
  let fd = path === '-' ? 1 : undefined
  let block: Buffer = Buffer.allocUnsafeSlow(blockBytes)
  let used = 0
  /** Full blocks that wait for the one being written. */
  const full: Buffer[] = []
  let fullBytes = 0
  let spare: Buffer | undefined
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

  function closeBlock(): void {
    if (used === 0) return
    full.push(block.subarray(0, used))
    fullBytes += used
    block = spare ?? Buffer.allocUnsafeSlow(blockBytes)
    spare = undefined
    used = 0
  }

  function flush(): void {
    timer?.cancel()
    timer = undefined
    if (writing || fd === undefined) return
    closeBlock()
    const next = full.shift()
    if (next === undefined) return
    fullBytes -= next.length
    writing = true
    writeAll(fd, next, 0, () => {
      writing = false
      if (next.buffer.byteLength === blockBytes) spare = Buffer.from(next.buffer)
      if (full.length > 0 || idle !== undefined) flush()
      if (!writing) idle?.()
    })
  }

  function append(lines: string): void {
    // no character takes more than three bytes in UTF-8
    if (lines.length * 3 > blockBytes) {
      closeBlock()
      const own = Buffer.from(lines)
      full.push(own)
      fullBytes += own.length
      return
    }
    if (used + lines.length * 3 > blockBytes) closeBlock()
    used += block.write(lines, used)
  }

  return {
    enabled: true,
    write(lines) {
      if (fullBytes > maxWaitingBytes) {
        dropped += 1
        return
      }
      append(lines)
      if (full.length > 0) flush()
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
