import { close, open, write } from 'node:fs'
import type { Clock, Timer } from '../../../mesh/std/clock.ts'
import type { Reason } from '../reasons.ts'

/** One finished or refused connection, as its access-log line tells it. Field names follow ztunnel's. */
export interface AccessRecord {
  readonly direction: 'inbound' | 'outbound'
  readonly verdict: 'allowed' | 'refused'
  readonly reason: Reason
  /** What the reason is about: a policy's name, a peer's answer, an error's text. */
  readonly detail: string
  readonly sourceAddress: string
  readonly sourceIdentity: string
  readonly sourceWorkload: string
  readonly destinationAddress: string
  readonly destinationService: string
  readonly destinationIdentity: string
  readonly destinationWorkload: string
  /** Address of the HBONE session; empty for plaintext. */
  readonly hboneAddress: string
  /** From the caller's point of view, as in Istio's metrics. */
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly durationMs: number
}

/** Writes one JSON line per connection; never waits and never blocks a connection. */
export interface AccessLog {
  write(record: AccessRecord): void
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
export function openAccessLog(path: string | undefined, clock: Clock): AccessLog {
  if (path === undefined) return { write() {}, dropped: () => 0, stop: async () => {} }
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
    write(record) {
      if (waiting.length > maxWaitingBytes) {
        dropped += 1
        return
      }
      waiting += line(record, clock.now())
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

function line(record: AccessRecord, now: number): string {
  return (
    `{"time":"${timestamp(now)}","direction":"${record.direction}","verdict":"${record.verdict}"` +
    `,"reason":"${record.reason}"${record.detail === '' ? '' : `,"detail":${jsonText(record.detail)}`}` +
    `,"src.addr":"${record.sourceAddress}","src.identity":${quote(record.sourceIdentity)}` +
    `,"src.workload":${quote(record.sourceWorkload)},"dst.addr":"${record.destinationAddress}"` +
    `,"dst.service":${quote(record.destinationService)},"dst.identity":${quote(record.destinationIdentity)}` +
    `,"dst.workload":${quote(record.destinationWorkload)}` +
    `${record.hboneAddress === '' ? '' : `,"dst.hbone_addr":"${record.hboneAddress}"`}` +
    `,"bytes_sent":${record.bytesSent},"bytes_recv":${record.bytesReceived}` +
    `,"duration_ms":${record.durationMs.toFixed(1)}}\n`
  )
}

let lastSecond = -1
let secondText = ''

/** RFC 3339 with milliseconds; the date part is kept for as long as its second lasts. */
function timestamp(now: number): string {
  const second = Math.floor(now / 1000)
  if (second !== lastSecond) {
    lastSecond = second
    secondText = new Date(second * 1000).toISOString().slice(0, 20)
  }
  return `${secondText}${String(Math.floor(now - second * 1000)).padStart(3, '0')}Z`
}

const quoted = new Map<string, string>()

/** JSON text of a name that comes again and again; the cache is emptied rather than let grow. */
function quote(name: string): string {
  let text = quoted.get(name)
  if (text === undefined) {
    if (quoted.size > 10_000) quoted.clear()
    text = jsonText(name)
    quoted.set(name, text)
  }
  return text
}

/** What JSON leaves as it is and a terminal may obey, or a reader of lines may break at: DEL, C1, U+2028 and U+2029. */
const unsafe = /[\u007f-\u009f\u2028\u2029]/g

function jsonText(text: string): string {
  return JSON.stringify(text).replace(unsafe, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
