/** Names and numbers of the HTTP/2 wire (RFC 9113), and how a frame header is written. */

/** Frame types, RFC 9113 section 6. */
export const frameType = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const

/** Frame flags; `endStream` and `ack` share a bit, on different types. */
export const flag = {
  endStream: 0x1,
  ack: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const

/** Error codes of RST_STREAM and GOAWAY, RFC 9113 section 7. */
export const h2Error = {
  noError: 0x0,
  protocol: 0x1,
  internal: 0x2,
  flowControl: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSize: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compression: 0x9,
  connect: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const

/** Bytes of a frame header. */
export const frameHeaderBytes = 9
/** The largest frame a peer takes before its SETTINGS say otherwise, and the least it may ask for. */
export const defaultMaxFrameSize = 16_384
/** The largest value SETTINGS_MAX_FRAME_SIZE may have. */
export const maxFrameSizeCeiling = 16_777_215
/** Windows, settings and stream ids all end here. */
export const maxWindow = 2 ** 31 - 1
/** The flow-control window of a new connection and of a new stream before SETTINGS. */
export const defaultWindow = 65_535

/** What a client sends first, RFC 9113 section 3.4. */
export const clientPreface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** Writes a 9-byte frame header at `at`; the caller has made room. */
export function writeFrameHeader(
  into: Buffer,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  into[at] = length >>> 16
  into[at + 1] = length >>> 8
  into[at + 2] = length
  into[at + 3] = type
  into[at + 4] = flags
  into[at + 5] = streamId >>> 24
  into[at + 6] = streamId >>> 16
  into[at + 7] = streamId >>> 8
  into[at + 8] = streamId
}

/** Writes an unsigned 32-bit number, most significant byte first. */
export function writeUint32(into: Buffer, at: number, value: number): void {
  into[at] = value >>> 24
  into[at + 1] = value >>> 16
  into[at + 2] = value >>> 8
  into[at + 3] = value
}

/** Reads an unsigned 32-bit number; bytes past the end read as zero, so check the length first. */
export function readUint32(from: Buffer, at: number): number {
  return readUint31(from, at) + ((from[at] ?? 0) & 0x80 ? 0x80000000 : 0)
}

/** Reads 31 bits and ignores the reserved one: stream ids and window increments. */
export function readUint31(from: Buffer, at: number): number {
  return (
    (((from[at] ?? 0) & 0x7f) << 24) | ((from[at + 1] ?? 0) << 16) | ((from[at + 2] ?? 0) << 8) | (from[at + 3] ?? 0)
  )
}

/** The payload of GOAWAY, RFC 9113 section 6.8; the reason is for the peer's log. */
export function goawayPayload(lastStreamId: number, code: number, reason: string): Buffer {
  const payload = Buffer.alloc(8 + reason.length)
  writeUint32(payload, 0, lastStreamId)
  writeUint32(payload, 4, code)
  payload.write(reason, 8, 'latin1')
  return payload
}
