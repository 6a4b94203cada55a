import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { maxTextBytes } from '../../mesh/resources/limits.ts'
import { describeError } from '../../mesh/std/errors.ts'

/** What one file held. `changing`: it was written to while it was read, so this may be half of it. */
export type FileText =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'changing' }

/** Reads a file of at most 1 MiB of UTF-8; never throws. A link that leads nowhere is `gone` as well. */
export async function readFile(path: string): Promise<FileText | { readonly kind: 'gone' }> {
  try {
    // without O_NONBLOCK opening a named pipe would wait for its writer
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const before = await file.stat({ bigint: true })
    if (!before.isFile()) return { kind: 'failed', reason: 'is not a file' }
    if (before.size > maxTextBytes) return { kind: 'failed', reason: 'is larger than 1 MiB' }
    const bytes = await file.readFile()
    const after = await file.stat({ bigint: true })
    if (after.mtimeNs !== before.mtimeNs || after.size !== before.size) return { kind: 'changing' }
    return { kind: 'text', text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { kind: 'gone' }
    if (error instanceof TypeError) return { kind: 'failed', reason: 'is not UTF-8 text' }
    return { kind: 'failed', reason: `cannot be read: ${describeError(error)}` }
  }
}
