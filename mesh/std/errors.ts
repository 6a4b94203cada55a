import { type ErrorCode, errorCatalogue } from './error-catalogue.ts'

export type { ErrorCode } from './error-catalogue.ts'

export interface MeshErrorOptions {
  /** The values behind the message: file, line, field, peer, expected, got. Never a secret. */
  readonly fields?: Readonly<Record<string, unknown>>
  /** What to do about it, as one sentence; the catalogue's own advice when left out. */
  readonly next?: string
  readonly cause?: unknown
}

/**
 * An error with a stable code from the catalogue, a message (lower case, no full stop) and the next step. Everything
 * Weft reports to an operator is one of these.
 */
export class MeshError extends Error {
  override readonly name = 'MeshError'
  readonly code: ErrorCode
  readonly fields: Readonly<Record<string, unknown>>
  readonly next: string

  constructor(code: ErrorCode, message: string, options: MeshErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.fields = options.fields ?? {}
    this.next = options.next ?? errorCatalogue[code].next
  }
}

/** True when the error, or one of its causes, carries the code. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof MeshError && at.code === code) return true
  }
  return false
}

/** The message of anything thrown, with its causes, as one line for logs and status. */
export function describeError(error: unknown): string {
  const parts: string[] = []
  for (let at: unknown = error; at !== undefined && at !== null; at = at instanceof Error ? at.cause : undefined) {
    const text = at instanceof Error ? at.message : String(at)
    if (text !== '' && !parts.includes(text)) parts.push(text)
  }
  return parts.join(': ')
}
