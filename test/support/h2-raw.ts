import type { Socket } from 'node:net'
import type { Test } from 'tap'
import { H2Connection, type H2Options, type HeaderList } from '../../agent/dataplane/h2/connection.ts'
import { clientPreface, flag, frameType, writeFrameHeader } from '../../agent/dataplane/h2/frames.ts'
import { writeInteger } from '../../agent/dataplane/h2/hpack/integer.ts'
import type { HttpStream } from '../../agent/dataplane/http/stream.ts'
import { FakeClock } from '../fakes/clock.ts'
import { eventually } from './eventually.ts'
import { socketPair } from './sockets.ts'

export interface RawFrame {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: Buffer
}

/** The bytes of one frame. */
export function frameBytes(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const body = Buffer.from(payload)
  const head = Buffer.alloc(9)
  writeFrameHeader(head, 0, body.length, type, flags, streamId)
  return Buffer.concat([head, body])
}

/** A payload of one unsigned 32-bit number, or of several. */
export function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4)
  return bytes
}

/** A SETTINGS payload of identifier and value pairs. */
export function settingsPayload(...pairs: readonly (readonly [number, number])[]): Buffer {
  const bytes = Buffer.alloc(pairs.length * 6)
  for (const [index, [id, value]] of pairs.entries()) {
    bytes.writeUInt16BE(id, index * 6)
    bytes.writeUInt32BE(value, index * 6 + 2)
  }
  return bytes
}

/**
 * A header block that depends on no decoder state and leaves none: an empty table, then plain literals. What is not
 * allowed in a field is sent as it is.
 */
export function block(...headers: readonly string[]): Buffer {
  const bytes = Buffer.alloc(1 + headers.reduce((size, text) => size + text.length + 6, 0))
  let at = writeInteger(bytes, 0, 0x20, 5, 0)
  for (const [index, text] of headers.entries()) {
    if (index % 2 === 0) at = writeInteger(bytes, at, 0, 4, 0)
    at = writeInteger(bytes, at, 0, 7, text.length)
    at += bytes.write(text, at, 'latin1')
  }
  return bytes.subarray(0, at)
}

export const connectBlock = block(':method', 'CONNECT', ':authority', '10.0.0.1:80')

/** A peer that sends what it is told, frame by frame, and keeps what it received. */
export class RawPeer {
  readonly frames: RawFrame[] = []
  ended = false
  readonly #socket: Socket
  readonly #other: Socket
  #rest: Buffer = Buffer.alloc(0)
  #skip: number

  constructor(socket: Socket, other: Socket, skipBytes: number) {
    this.#socket = socket
    this.#other = other
    this.#skip = skipBytes
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('end', () => {
      this.ended = true
    })
    socket.on('close', () => {
      this.ended = true
    })
  }

  send(type: number, flags: number, streamId: number, payload: Buffer | string = ''): void {
    this.#socket.write(frameBytes(type, flags, streamId, payload))
  }

  sendBytes(bytes: Buffer | string): void {
    this.#socket.write(bytes)
  }

  headers(streamId: number, headerBlock: Buffer = connectBlock, endStream = false): void {
    this.send(frameType.headers, flag.endHeaders | (endStream ? flag.endStream : 0), streamId, headerBlock)
  }

  of(type: number, streamId?: number): RawFrame[] {
    return this.frames.filter(frame => frame.type === type && (streamId ?? frame.streamId) === frame.streamId)
  }

  /** Waits for GOAWAY and returns its error code. */
  async goawayCode(): Promise<number> {
    return await eventually(() => {
      const goaway = this.of(frameType.goaway).at(-1)
      if (goaway === undefined) throw new Error('no GOAWAY yet')
      return goaway.payload.readUInt32BE(4)
    })
  }

  /** Waits for RST_STREAM on a stream and returns its error code. */
  async resetCode(streamId: number): Promise<number> {
    return await eventually(() => {
      const reset = this.of(frameType.rstStream, streamId)[0]
      if (reset === undefined) throw new Error(`no RST_STREAM on ${streamId} yet`)
      return reset.payload.readUInt32BE(0)
    })
  }

  /** Waits until everything sent so far was processed. */
  async settled(): Promise<void> {
    const mark = Buffer.alloc(8, this.of(frameType.ping).length + 1)
    this.send(frameType.ping, 0, 0, mark)
    await eventually(() => {
      if (!this.of(frameType.ping).some(frame => frame.payload.equals(mark))) throw new Error('no answer yet')
    })
  }

  /** Waits until everything sent so far was read, where a question would be out of place. */
  async settledByBytes(): Promise<void> {
    await eventually(() => {
      if (this.#other.bytesRead < this.#socket.bytesWritten) throw new Error('not read yet')
    })
  }

  #receive(chunk: Buffer): void {
    const skipped = Math.min(this.#skip, chunk.length)
    this.#skip -= skipped
    this.#rest = Buffer.concat([this.#rest, chunk.subarray(skipped)])
    while (this.#rest.length >= 9) {
      const end = 9 + this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < end) return
      const [type = 0, flags = 0] = this.#rest.subarray(3, 5)
      this.frames.push({ type, flags, streamId: this.#rest.readUInt32BE(5), payload: this.#rest.subarray(9, end) })
      this.#rest = this.#rest.subarray(end)
    }
  }
}

/** A stream the connection under test opened or was asked to open, with everything that happened on it. */
export interface Seen {
  readonly stream: HttpStream
  readonly headers: HeaderList[]
  readonly data: Buffer[]
  ended: boolean
  reset: { code: number; reason: string } | undefined
  drains: number
}

/** Records what happens on a stream; payload is given back at once unless `hold`. */
export function watchStream(stream: HttpStream, first?: HeaderList, hold = false): Seen {
  const seen: Seen = {
    stream,
    headers: first === undefined ? [] : [first],
    data: [],
    ended: false,
    reset: undefined,
    drains: 0,
  }
  stream.onHeaders = headers => {
    seen.headers.push(headers)
  }
  stream.onData = chunk => {
    seen.data.push(Buffer.from(chunk))
    if (!hold) stream.consumed(chunk.length)
  }
  stream.onEnd = () => {
    seen.ended = true
  }
  stream.onReset = (code, reason) => {
    seen.reset = { code, reason }
  }
  stream.onDrain = () => {
    seen.drains += 1
  }
  return seen
}

/** A connection of ours facing a raw peer. */
export interface RawWorld {
  readonly connection: H2Connection
  readonly peer: RawPeer
  readonly clock: FakeClock
  /** Streams the peer opened, in order. */
  readonly streams: Seen[]
  readonly closed: string[]
  readonly goaways: number[]
}

export interface RawWorldOptions extends Partial<Omit<H2Options, 'clock'>> {
  /** The peer says nothing by itself, not even its preface. */
  readonly silent?: boolean
  readonly settings?: NonNullable<H2Options['settings']>
  /** What the peer announces. */
  readonly peerSettings?: Buffer
  /** Payload is not given back. */
  readonly hold?: boolean
}

/** A server of ours and a raw client that has sent its preface and settings and acknowledged ours. */
export async function rawClient(t: Test, options: RawWorldOptions = {}): Promise<RawWorld> {
  return await world(t, 'server', options)
}

/** A client of ours and a raw server that has sent its settings and acknowledged ours. */
export async function rawServer(t: Test, options: RawWorldOptions = {}): Promise<RawWorld> {
  return await world(t, 'client', options)
}

async function world(t: Test, role: 'client' | 'server', options: RawWorldOptions): Promise<RawWorld> {
  const { silent, peerSettings, hold, ...connectionOptions } = options
  const { near, far } = await socketPair(t)
  const clock = new FakeClock()
  const streams: Seen[] = []
  const closed: string[] = []
  const goaways: number[] = []
  const peer = new RawPeer(near, far, role === 'client' ? clientPreface.length : 0)
  const connection = new H2Connection(far, role, { ...connectionOptions, clock })
  connection.onStream = (stream, headers, endStream) => {
    const seen = watchStream(stream, headers, hold)
    seen.ended = endStream
    streams.push(seen)
  }
  connection.onClose = reason => closed.push(reason)
  connection.onGoaway = code => goaways.push(code)
  t.teardown(() => connection.destroy('the test is over'))
  if (silent !== true) {
    if (role === 'server') peer.sendBytes(clientPreface)
    peer.send(frameType.settings, 0, 0, peerSettings ?? '')
    peer.send(frameType.settings, flag.ack, 0)
    await eventually(() => {
      if (!peer.of(frameType.settings).some(frame => frame.flags === flag.ack)) throw new Error('settings not acked')
    })
  }
  return { connection, peer, clock, streams, closed, goaways }
}
