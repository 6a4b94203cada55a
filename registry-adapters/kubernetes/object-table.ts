import { isDeepStrictEqual } from 'node:util'
import type { ObjectKey } from './objects.ts'
import { compareVersions } from './resource-version.ts'

/** An object as it was at one version. */
export interface Versioned<T> {
  readonly key: ObjectKey
  readonly version: string
  readonly value: T
}

/** The objects of one read. Whatever changes in it is told, and nothing else. */
export interface ObjectTable<T> {
  /** A complete list: what is not in it is gone. */
  replace(objects: Iterable<Versioned<T>>): void
  /** One event of a watch; what is older than what is known is not taken. */
  put(object: Versioned<T>): void
  remove(key: ObjectKey, version: string): void
}

export function createObjectTable<T>(tell: (key: ObjectKey, value: T | undefined) => void): ObjectTable<T> {
  let held = new Map<ObjectKey, Versioned<T>>()

  function changed(object: Versioned<T>): boolean {
    const before = held.get(object.key)
    return before === undefined || !isDeepStrictEqual(before.value, object.value)
  }

  return {
    replace(objects) {
      const now = new Map<ObjectKey, Versioned<T>>()
      for (const object of objects) {
        if (changed(object)) tell(object.key, object.value)
        now.set(object.key, object)
      }
      for (const key of held.keys()) if (!now.has(key)) tell(key, undefined)
      held = now
    },
    put(object) {
      const before = held.get(object.key)
      if (before !== undefined && compareVersions(object.version, before.version) < 0) return
      if (changed(object)) tell(object.key, object.value)
      held.set(object.key, object)
    },
    remove(key, version) {
      const before = held.get(key)
      if (before === undefined || compareVersions(version, before.version) < 0) return
      held.delete(key)
      tell(key, undefined)
    },
  }
}
