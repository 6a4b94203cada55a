import { constants } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { maxTextBytes } from '../../mesh/resources/limits.ts'
import { describeError } from '../../mesh/std/errors.ts'

/** What one file of the directory held. `changing`: it was written to while it was read, so this may be half of it. */
export type FileText =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'changing' }

export interface DirectoryRead {
  /** Changes when the directory is replaced by another one of the same name. */
  readonly identity: string
  /** By file name, in alphabetical order. */
  readonly files: ReadonlyMap<string, FileText>
}

/**
 * Reads all registry files of a directory: `*.yaml`, `*.yml` and `*.json`, not hidden ones (editors keep their copies
 * there) and not those of folders below. Throws what the file system says when the directory itself cannot be read.
 */
export async function readDirectory(directory: string): Promise<DirectoryRead> {
  // the number of a removed directory is soon given to the next one, its time of birth is not
  const { dev, ino, birthtimeNs } = await stat(directory, { bigint: true })
  const names = (await readdir(directory)).filter(isRegistryFile).sort()
  const files = new Map<string, FileText>()
  for (const name of names) {
    const read = await readFile(join(directory, name))
    if (read.kind !== 'gone') files.set(name, read)
  }
  return { identity: `${dev}:${ino}:${birthtimeNs}`, files }
}

/** True for the name of a file that belongs to the registry. */
export function isRegistryFile(name: string): boolean {
  return /\.(?:ya?ml|json)$/.test(name) && !/^[.#]/.test(name)
}

async function readFile(path: string): Promise<FileText | { readonly kind: 'gone' }> {
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
