import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { MeshError } from '../../mesh/std/errors.ts'

/** Replaces a file that holds keys in one step (new file, flush, rename, flush the folder), mode 0600. */
export function writePrivateFile(path: string, content: string): void {
  const folder = dirname(path)
  const fresh = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}`)
  const file = openSync(fresh, 'wx', 0o600)
  try {
    try {
      writeFileSync(file, content)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(fresh, path)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw error
  }
  flushFolder(folder)
}

/** Makes what was created or renamed in a folder last through a power cut. */
export function flushFolder(folder: string): void {
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/**
 * Reads a regular file of our own that only we can read. Throws WEFT_STATE_CORRUPT when others may read or write it,
 * someone else owns it, or it is a link: whoever could change it could speak for every workload.
 */
export function readPrivateFile(path: string): string {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (cause) {
    throw new MeshError('WEFT_STATE_CORRUPT', 'key file cannot be opened', { fields: { path }, cause })
  }
  try {
    const { mode, uid } = fstatSync(file)
    const permissions = (mode & 0o7777).toString(8)
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw unsafe('key file is not a regular file', { path })
    if ((mode & 0o077) !== 0) throw unsafe('key file can be read or changed by others', { path, mode: permissions })
    if (uid !== process.geteuid?.()) throw unsafe('key file belongs to another user', { path, uid })
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

function unsafe(message: string, fields: Record<string, unknown>): MeshError {
  return new MeshError('WEFT_STATE_CORRUPT', message, {
    fields,
    next: 'chown it to the user of weft server and chmod 600 it',
  })
}
