import { randomBytes } from 'node:crypto'
import { lstat, mkdir, open, readdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { MeshError } from '../mesh/std/errors.ts'

/** Who the files shall belong to. */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

const current = '..data'
const generationPrefix = '..weft-'

/**
 * Puts files of these names in a directory, all of them at once: they are links into a directory of their own that is
 * exchanged whole, so that nobody reads a key with another key's certificate. Gives whether anything changed. The files
 * can be read by their owner only. Throws WEFT_USAGE when others may write the directory.
 */
export async function writeTogether(
  directory: string,
  files: Readonly<Record<string, string | Uint8Array>>,
  owner: Owner | undefined,
): Promise<boolean> {
  await mkdir(directory, { recursive: true, mode: 0o755 })
  await refuseForeign(directory)
  if (await isWritten(directory, files)) return false
  const generation = `${generationPrefix}${randomBytes(8).toString('hex')}`
  await mkdir(join(directory, generation), { mode: 0o755 })
  for (const [name, content] of Object.entries(files)) {
    const file = await open(join(directory, generation, name), 'wx', 0o600)
    try {
      if (owner !== undefined) await file.chown(owner.uid, owner.gid)
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
  }
  await link(directory, current, generation)
  for (const name of Object.keys(files)) {
    const to = `${current}/${name}`
    if ((await readlink(join(directory, name)).catch(() => undefined)) !== to) await link(directory, name, to)
  }
  for (const name of await readdir(directory)) {
    if (name.startsWith(generationPrefix) && name !== generation) await rm(join(directory, name), { recursive: true })
  }
  return true
}

/** Replaces whatever has this name by a link, in one step. */
async function link(directory: string, name: string, to: string): Promise<void> {
  const made = join(directory, `${generationPrefix}${randomBytes(8).toString('hex')}`)
  await symlink(to, made)
  await rename(made, join(directory, name))
}

/** Whoever may write here could have a key written elsewhere, or exchange it. */
async function refuseForeign(directory: string): Promise<void> {
  const { uid, mode } = await stat(directory)
  const own = uid === 0 || uid === process.geteuid?.()
  if (own && (mode & 0o022) === 0) return
  throw new MeshError('WEFT_USAGE', 'other users may write the directory that keys are to be written to', {
    fields: { directory },
    next: 'name a directory of the user that runs this, which others may not write',
  })
}

async function isWritten(directory: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<boolean> {
  for (const [name, content] of Object.entries(files)) {
    try {
      if (!(await lstat(join(directory, name))).isSymbolicLink()) return false
      if (!(await readFile(join(directory, name))).equals(Buffer.from(content))) return false
    } catch {
      return false
    }
  }
  return true
}
