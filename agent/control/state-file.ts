import { createHash } from 'node:crypto'

/**
 * The form of a file in the state directory: one header line with the format's version, the SHA-256 of the body and
 * its length, then the body as JSON. Anything else, down to one flipped bit, is not read.
 */

const header = /^weft-state 1 ([0-9a-f]{64}) (\d{1,10})$/
const maxHeaderBytes = 100

/** Writes a value in that form. */
export function encodeStateFile(value: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(value))
  return Buffer.concat([Buffer.from(`weft-state 1 ${digest(body)} ${body.length}\n`), body])
}

/** Reads it back; throws a plain Error with the reason when the bytes are not exactly what was written. */
export function decodeStateFile(bytes: Buffer): unknown {
  const end = bytes.subarray(0, maxHeaderBytes).indexOf(0x0a)
  const match = end < 0 ? null : header.exec(bytes.toString('latin1', 0, end))
  if (match === null) throw new Error('no valid header')
  const body = bytes.subarray(end + 1)
  if (body.length !== Number(match[2])) throw new Error(`${body.length} bytes instead of ${match[2]}`)
  if (digest(body) !== match[1]) throw new Error('checksum does not match')
  return JSON.parse(body.toString('utf8'))
}

function digest(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex')
}
