/** Joins what comes in pieces to whole lines, whatever the pieces are; at most `maxBytes` are kept for one line. */
export interface LineReader {
  /** The lines that this piece completes, without their ends; undefined once one is too long. */
  push(chunk: Uint8Array): readonly string[] | undefined
}

const newline = 0x0a

export function createLineReader(maxBytes: number): LineReader {
  let parts: Uint8Array[] = []
  let bytes = 0

  function keep(part: Uint8Array): boolean {
    bytes += part.length
    parts.push(part)
    return bytes <= maxBytes
  }

  return {
    push(chunk) {
      const lines: string[] = []
      let from = 0
      for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
        if (!keep(chunk.subarray(from, at))) return undefined
        lines.push(Buffer.concat(parts, bytes).toString('utf8'))
        parts = []
        bytes = 0
        from = at + 1
      }
      return keep(chunk.subarray(from)) ? lines : undefined
    },
  }
}
