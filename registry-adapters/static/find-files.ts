import type { Dirent } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fits, type Pattern } from './pattern.ts'
import type { Tree } from './tree.ts'

/** A pattern that finds more than this was not meant. */
const maxFiles = 10_000

/**
 * The paths of the files that a pattern means, in alphabetical order: a path that is no directory is itself, a directory
 * its registry files without those of folders below, a glob the registry files that fit. Throws what the file system
 * says when the path, or the directory where a glob begins, cannot be read.
 */
export async function findFiles(tree: Tree, pattern: Pattern): Promise<readonly string[]> {
  if (pattern.kind === 'glob') return findBelow(tree, pattern.base, pattern.segments)
  const { path } = pattern
  return (await stat(path)).isDirectory() ? findInDirectory(tree, path) : [path]
}

/** The registry files of one directory. Throws when it cannot be read. */
export async function findInDirectory(tree: Tree, directory: string): Promise<readonly string[]> {
  const entries = await tree.list(directory)
  return bounded(entries.filter(entry => isRegistryFile(entry.name)).map(entry => join(directory, entry.name)))
}

async function findBelow(tree: Tree, base: string, segments: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>()
  const walk = async (directory: string, [segment, ...rest]: readonly string[], isBase: boolean): Promise<void> => {
    if (segment === undefined) return
    const entries = await listed(tree, directory, isBase)
    if (segment === '**') {
      // zero directories, or one and the same again; `**` at the end is every file below
      await walk(directory, rest.length === 0 ? ['*'] : rest, isBase)
      // links are not followed at any depth: they may lead back
      const below = entries.filter(entry => entry.isDirectory() && !entry.name.startsWith('.'))
      for (const entry of below) await walk(join(directory, entry.name), [segment, ...rest], false)
      return
    }
    for (const entry of entries.filter(({ name }) => fits(name, segment))) {
      const path = join(directory, entry.name)
      if (rest.length > 0) {
        if (await isDirectory(entry, path)) await walk(path, rest, false)
      } else if (isRegistryFile(entry.name) && !entry.isDirectory()) {
        found.add(path)
      }
    }
  }
  await walk(base, segments, true)
  return bounded([...found].sort())
}

/** A directory that has gone since it was seen is empty; where the pattern begins there must be one. */
async function listed(tree: Tree, directory: string, isBase: boolean): Promise<readonly Dirent[]> {
  try {
    return await tree.list(directory)
  } catch (error) {
    if (!isBase && error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

async function isDirectory(entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory()
  try {
    return (await stat(path)).isDirectory()
  } catch {
    // a link to nowhere
    return false
  }
}

/** True for the name of a file that belongs to a registry: hidden ones are what editors leave around. */
function isRegistryFile(name: string): boolean {
  return /\.(?:ya?ml|json)$/.test(name) && !/^[.#]/.test(name)
}

function bounded(paths: readonly string[]): readonly string[] {
  if (paths.length > maxFiles) throw new Error(`there are ${paths.length} files, more than ${maxFiles}`)
  return paths
}
