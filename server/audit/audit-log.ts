import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '../../mesh/std/errors.ts'
import { type AuditEntry, formatEntry, parseEntry } from './audit-entry.ts'
import { createRotatedFile, type RotationBounds } from './rotated-file.ts'

/** What is asked of the log. */
export interface AuditQuery {
  /** Milliseconds since 1970. */
  readonly since?: number
  /** Part of the name. */
  readonly who?: string
  /** Kind of what was written, in any case. */
  readonly kind?: string
  /** Most entries, the newest of them. */
  readonly limit: number
  /** Which entries the reader may see. */
  visible(entry: AuditEntry): boolean
}

/** The record of every write and of every refusal. */
export interface AuditLog {
  /**
   * Throws WEFT_STORE when a write would leave no trace: what could not be written the last time is written first, and
   * nothing else is done until it is.
   */
  assertWritable(): void
  /** Appends; throws WEFT_STORE when it cannot, and keeps the entries for the next {@link AuditLog.assertWritable}. */
  append(entries: readonly AuditEntry[]): void
  /** Oldest first. */
  read(query: AuditQuery): readonly AuditEntry[]
}

const bounds: RotationBounds = { fileBytes: 8 * 1024 * 1024, files: 16 }

/**
 * Opens the log in a folder. Refusals have files of their own, so that whoever is refused again and again cannot push
 * out what was done: each of the two keeps 16 files of 8 MiB. Throws WEFT_STORE.
 */
export function openAuditLog(folder: string, { fileBytes, files }: RotationBounds = bounds): AuditLog {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw failed(folder, cause)
  }
  const done = createRotatedFile(join(folder, 'writes'), { fileBytes, files })
  const refused = createRotatedFile(join(folder, 'refusals'), { fileBytes, files })
  let owed: readonly string[] = []

  function write(lines: readonly string[]): void {
    try {
      done.append(lines)
      owed = []
    } catch (cause) {
      owed = lines
      throw failed(folder, cause)
    }
  }

  return {
    assertWritable() {
      write(owed)
    },
    append(entries) {
      const isDone = ({ outcome }: AuditEntry) => outcome === 'done'
      const lines = entries.filter(isDone).map(formatEntry)
      if (lines.length > 0) write([...owed, ...lines])
      const refusals = entries.filter(entry => !isDone(entry)).map(formatEntry)
      try {
        refused.append(refusals)
      } catch (cause) {
        throw failed(folder, cause)
      }
    },
    read(query) {
      const found = [...newest(done.newestFirst(), query), ...newest(refused.newestFirst(), query)]
      return found.toSorted((one, other) => one.at - other.at).slice(-query.limit)
    },
  }
}

function newest(lines: Iterable<string>, { since = 0, who = '', kind, limit, visible }: AuditQuery): AuditEntry[] {
  const found: AuditEntry[] = []
  const wanted = kind?.toLowerCase()
  for (const line of lines) {
    const entry = parseEntry(line)
    if (entry === undefined) continue
    if (entry.at < since || found.length >= limit) break
    if (wanted !== undefined && entry.change?.kind.toLowerCase() !== wanted) continue
    if (entry.who.includes(who) && visible(entry)) found.push(entry)
  }
  return found.reverse()
}

function failed(folder: string, cause: unknown): MeshError {
  return new MeshError('WEFT_STORE', 'the audit log cannot be written or read, so nothing is changed', {
    fields: { folder },
    cause,
    next: 'make room on the disk, or give the folder back to the user of weft server',
  })
}
