import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'

/** The directories that one pass over a registry's files looks at, each of them once. */
export interface Tree {
  /** Every directory whose changes matter, with what it is known again by when another one takes its name. */
  readonly identities: ReadonlyMap<string, string>
  /** What is in a directory, by name. Throws what the file system says, and when there are too many directories. */
  list(directory: string): Promise<readonly Dirent[]>
  /** Remembers a directory as one whose changes matter; one that cannot be looked at is none. */
  note(directory: string): Promise<void>
}

/** A pattern that means more than this was not meant: each is watched, and read at intervals. */
const maxDirectories = 1000

export function createTree(): Tree {
  const identities = new Map<string, string>()
  const listings = new Map<string, readonly Dirent[]>()

  const know = async (directory: string): Promise<void> => {
    if (identities.has(directory)) return
    // the number of a removed directory is soon given to the next one, its time of birth is not
    const { dev, ino, birthtimeNs } = await stat(directory, { bigint: true })
    if (identities.size >= maxDirectories)
      throw new Error(`there are more than ${maxDirectories} directories to follow`)
    identities.set(directory, `${dev}:${ino}:${birthtimeNs}`)
  }
  return {
    identities,
    async list(directory) {
      const known = listings.get(directory)
      if (known !== undefined) return known
      await know(directory)
      const entries = await readdir(directory, { withFileTypes: true })
      const sorted = entries.sort((a, b) => (a.name < b.name ? -1 : 1))
      listings.set(directory, sorted)
      return sorted
    },
    async note(directory) {
      try {
        await know(directory)
      } catch {
        // it is followed once it can be; until then files are read at intervals
      }
    },
  }
}
