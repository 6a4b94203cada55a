import { constants } from 'node:fs'
import { chmod, link, lstat, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { decodeStateFile, encodeStateFile } from './state-file.ts'

/**
 * Keeps what an agent must not lose, so that it starts and serves without the server. It knows files, not their
 * contents. Each value has a current and a previous generation; a file that is not exactly what was written is set
 * aside under a new name, never deleted and never half read.
 */
export interface StateDirectory {
  /**
   * The newest generation that is intact and that `parse` accepts (it throws on what it does not), or undefined when
   * there is none. Whatever is passed over is quarantined and reported in {@link StateDirectory.problems}.
   */
  read<T>(name: string, parse: (value: unknown) => T): Promise<T | undefined>
  /** Replaces the value so that a crash at any moment leaves the old or the new one. Throws WEFT_STATE_UNWRITABLE. */
  write(name: string, value: unknown): Promise<void>
  /** One sentence for every file set aside since the start. */
  readonly problems: readonly string[]
}

export interface StateDirectoryDeps {
  readonly clock: Clock
  readonly log: Log
}

const maxFileBytes = 256 * 1024 * 1024

/** Opens the directory, made with mode 0700 where it is missing. Throws WEFT_STATE_CORRUPT when it is someone else's. */
export async function openStateDirectory(path: string, deps: StateDirectoryDeps): Promise<StateDirectory> {
  await prepareDirectory(path, deps.log)
  const problems: string[] = []
  /** Files whose current generation was read or written here: only those may become the previous generation. */
  const intact = new Set<string>()
  const queues = new Map<string, Promise<void>>()

  async function readGeneration<T>(file: string, parse: (value: unknown) => T): Promise<T | undefined> {
    try {
      const bytes = await readPrivate(join(path, file))
      return bytes === undefined ? undefined : parse(decodeStateFile(bytes))
    } catch (error) {
      const reason = describeError(error)
      // Trouble with the disk or with descriptors says nothing about the contents: the file stays where it is.
      const kept = isSystemError(error) ? file : await quarantine(path, file, deps.clock)
      problems.push(`${file} was set aside as ${kept}: ${reason}`)
      deps.log.warn('state file set aside', { code: 'WEFT_STATE_CORRUPT', file: join(path, file), kept, reason })
      return undefined
    }
  }

  async function replace(name: string, value: unknown): Promise<void> {
    try {
      await replaceFile(path, name, encodeStateFile(value), intact.has(name))
      intact.add(name)
    } catch (cause) {
      throw new MeshError('WEFT_STATE_UNWRITABLE', 'the state directory cannot be written', {
        cause,
        fields: { file: join(path, name) },
      })
    }
  }

  return {
    problems,
    async read(name, parse) {
      const current = await readGeneration(name, parse)
      if (current === undefined) return readGeneration(previousOf(name), parse)
      intact.add(name)
      return current
    },
    write(name, value) {
      // One write of a file at a time, in order.
      const write = (queues.get(name) ?? Promise.resolve()).then(() => replace(name, value))
      const settled = write.catch(() => {})
      queues.set(name, settled)
      return write
    },
  }
}

async function prepareDirectory(path: string, log: Log): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    const { mode, uid } = await stat(path)
    if (uid !== process.getuid?.()) {
      throw new MeshError('WEFT_STATE_CORRUPT', 'the state directory belongs to another user', {
        fields: { path, uid },
        next: `give it to the agent's user: chown -R ${process.getuid?.()} ${path}`,
      })
    }
    if ((mode & 0o077) !== 0) {
      await chmod(path, 0o700)
      log.warn('state directory was open to others and is closed now', { path, mode: (mode & 0o777).toString(8) })
    }
  } catch (cause) {
    if (cause instanceof MeshError) throw cause
    throw new MeshError('WEFT_STATE_UNWRITABLE', 'the state directory cannot be used', { cause, fields: { path } })
  }
}

/** The bytes of a file that only its owner can read; undefined when there is no such file. */
async function readPrivate(file: string): Promise<Buffer | undefined> {
  let handle: Awaited<ReturnType<typeof open>>
  try {
    handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    if (systemCode(error) === 'ELOOP') throw new Error('a symbolic link')
    throw error
  }
  try {
    const facts = await handle.stat()
    if (!facts.isFile()) throw new Error('not a regular file')
    if (facts.uid !== process.getuid?.()) throw new Error(`belongs to uid ${facts.uid}`)
    if ((facts.mode & 0o077) !== 0) throw new Error(`mode ${(facts.mode & 0o777).toString(8)} lets others in, not 600`)
    if (facts.size > maxFileBytes) throw new Error(`${facts.size} bytes are more than ${maxFileBytes}`)
    return await handle.readFile()
  } finally {
    await handle.close()
  }
}

async function replaceFile(folder: string, name: string, bytes: Buffer, keepPrevious: boolean): Promise<void> {
  const target = join(folder, name)
  const fresh = `${target}.new`
  // A leftover of a crash may have another owner's mode or be a link: never written through.
  await rm(fresh, { force: true })
  const handle = await open(fresh, 'wx', 0o600)
  try {
    await handle.chmod(0o600)
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  if (keepPrevious) await linkPrevious(target)
  await rename(fresh, target)
  await syncDirectory(folder)
}

/** By link and rename, so that a current generation exists at every moment. */
async function linkPrevious(target: string): Promise<void> {
  const between = `${previousOf(target)}.new`
  await rm(between, { force: true })
  try {
    await link(target, between)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw error
  }
  await rename(between, previousOf(target))
}

async function syncDirectory(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Renames the file out of the way and closes it to others; the name it has now. */
async function quarantine(folder: string, file: string, clock: Clock): Promise<string> {
  const stamp = new Date(clock.now()).toISOString().replaceAll(/[-:.]/g, '')
  const kept = `${file}.corrupt-${stamp}`
  try {
    await rename(join(folder, file), join(folder, kept))
    const facts = await lstat(join(folder, kept))
    if (facts.isFile()) await chmod(join(folder, kept), 0o600)
    return kept
  } catch (error) {
    // A read-only disk: what is there stays, and is still not used.
    return `${file} (${describeError(error)})`
  }
}

function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}

function previousOf(name: string): string {
  return `${name}.previous`
}
