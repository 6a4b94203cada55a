/** One certificate that was issued. Times are milliseconds since 1970. */
export interface Issued {
  readonly at: number
  /** The node it went to; empty for the server itself. */
  readonly node: string
  readonly identity: string
  /** Why it was issued: `join`, `renewal`, `join-token`, `operator-declared`, `server`. */
  readonly evidence: string
  /** SHA-256 of the public key (SPKI), hex. */
  readonly keyHash: string
  /** Hex. */
  readonly serial: string
  readonly notBefore: number
  readonly notAfter: number
}

/** What the files of the log are called. */
export const issuanceFile = /^issued-\d{4}-\d\d\.jsonl$/

/** One line of the log; undefined when it is none. */
export function parseIssued(line: string): Issued | undefined {
  try {
    const value: unknown = JSON.parse(line)
    if (typeof value !== 'object' || value === null) return undefined
    const { keyHash, node, notAfter } = value as Partial<Issued>
    const usable = typeof keyHash === 'string' && typeof node === 'string' && typeof notAfter === 'number'
    return usable ? (value as Issued) : undefined
  } catch {
    return undefined
  }
}
