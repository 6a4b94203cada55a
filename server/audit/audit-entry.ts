import { createHash } from 'node:crypto'

/** One resource, token or other thing that a request has written, or tried to. */
export interface AuditedChange {
  /** `PeerAuthentication shop/strict`, `JoinToken 1f0c…`. */
  readonly what: string
  readonly kind: string
  readonly namespace?: string
  /** As it was and as it is now; never a secret. Absent for what was not there, or is no document. */
  readonly before?: unknown
  readonly after?: unknown
}

/** One line of the audit log. */
export interface AuditEntry {
  /** Milliseconds since 1970. */
  readonly at: number
  /** `token ci`, or `anonymous` when nobody was proven. */
  readonly who: string
  /** Address of the connection. */
  readonly from: string
  /** `POST /v1/resources`: the route, without what was filled in. */
  readonly action: string
  /** `done`, or the error code of a refusal. */
  readonly outcome: string
  /** Of a refusal. */
  readonly message?: string
  readonly change?: AuditedChange
}

/** Larger documents are noted by size and hash. */
const maxDocumentChars = 256 * 1024
const maxTextChars = 1000

/**
 * The entry as one line of JSON in which no character can steer a terminal, end a line or look like another field: all
 * of C0, DEL, C1, U+2028 and U+2029 are escaped.
 */
export function formatEntry(entry: AuditEntry): string {
  const { change, message, ...rest } = entry
  const line = JSON.stringify({
    ...rest,
    from: cut(rest.from),
    who: cut(rest.who),
    ...(message !== undefined && { message: cut(message) }),
    ...(change !== undefined && { change: bounded(change) }),
  })
  return line.replace(/[\u007f-\u009f\u2028\u2029]/g, char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The entry of a line; undefined for what is none. */
export function parseEntry(line: string): AuditEntry | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isEntry(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isEntry(value: unknown): value is AuditEntry {
  if (typeof value !== 'object' || value === null) return false
  const { at, who, from, action, outcome }: Partial<Record<keyof AuditEntry, unknown>> = value
  return typeof at === 'number' && [who, from, action, outcome].every(one => typeof one === 'string')
}

function bounded({ what, before, after, ...rest }: AuditedChange): AuditedChange {
  return {
    ...rest,
    what: cut(what),
    ...(before !== undefined && { before: summary(before) }),
    ...(after !== undefined && { after: summary(after) }),
  }
}

function summary(document: unknown): unknown {
  const text = JSON.stringify(document)
  if (text.length <= maxDocumentChars) return document
  return { omittedChars: text.length, sha256: createHash('sha256').update(text).digest('hex') }
}

function cut(text: string): string {
  return text.length <= maxTextChars ? text : `${text.slice(0, maxTextChars)}…`
}
