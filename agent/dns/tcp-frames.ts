/** DNS over TCP: each message behind two bytes of length (RFC 1035 4.2.2). */

/** A message ready to be written. */
export function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(2)
  head.writeUInt16BE(message.length, 0)
  return Buffer.concat([head, message])
}

/**
 * Makes a reader of one connection's bytes: each call takes what arrived and gives the messages that are complete
 * now. Undefined when a message announces more than `maxBytes`: the connection cannot be trusted any further.
 */
export function readFrames(maxBytes: number): (chunk: Buffer) => Buffer[] | undefined {
  let rest: Buffer = Buffer.alloc(0)
  return chunk => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const messages: Buffer[] = []
    while (rest.length >= 2) {
      const length = rest.readUInt16BE(0)
      if (length > maxBytes) return undefined
      if (rest.length < length + 2) break
      messages.push(rest.subarray(2, length + 2))
      rest = rest.subarray(length + 2)
    }
    return messages
  }
}
