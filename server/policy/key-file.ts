import { existsSync } from 'node:fs'
import { readPrivateFile, writePrivateFile } from '../identity/files.ts'
import { publicKeySet } from './key-set.ts'

/** The last good key set of a source. */
export interface KeptKeys {
  readonly keys: string
  /** Milliseconds since 1970. */
  readonly fetchedAt: number
}

/** Key sets that outlive a restart, by source. */
export interface KeyFile {
  /** Throws when the file is there and cannot be used. */
  read(): ReadonlyMap<string, KeptKeys>
  write(kept: ReadonlyMap<string, KeptKeys>): void
}

/** Keeps them in a file that only this server can change: whoever could would speak for every issuer. */
export function createKeyFile(path: string): KeyFile {
  return {
    read() {
      return existsSync(path) ? parse(JSON.parse(readPrivateFile(path))) : new Map()
    },
    write(kept) {
      const sets = [...kept].map(([source, { keys, fetchedAt }]) => ({ source, keys, fetchedAt }))
      writePrivateFile(path, JSON.stringify({ sets }))
    },
  }
}

function parse(value: unknown): ReadonlyMap<string, KeptKeys> {
  const kept = new Map<string, KeptKeys>()
  if (!isRecord(value) || !Array.isArray(value.sets)) throw new TypeError('not a file of key sets')
  for (const set of value.sets) {
    if (!isRecord(set)) continue
    const { source, keys, fetchedAt } = set
    const checked = typeof keys === 'string' ? publicKeySet(keys) : undefined
    if (typeof source !== 'string' || checked === undefined || typeof fetchedAt !== 'number') continue
    kept.set(source, { keys: checked, fetchedAt })
  }
  return kept
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
