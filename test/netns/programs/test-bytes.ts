import { createCipheriv } from 'node:crypto'

/** The same bytes for the same length, everywhere: a key stream, so that no two parts of them are alike. */
export function testBytes(length: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16, 2)).update(Buffer.alloc(length))
}
