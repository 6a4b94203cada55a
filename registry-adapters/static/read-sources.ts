import { realpath } from 'node:fs/promises'
import { dirname, relative } from 'node:path'
import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import { describeError } from '../../mesh/std/errors.ts'
import { type FileView, viewFile } from './file-views.ts'
import { findFiles, findInDirectory } from './find-files.ts'
import { type Pattern, parsePattern, patternProblem } from './pattern.ts'
import { readFile } from './read-file.ts'
import type { Declared } from './registry-file.ts'
import { createTree, type Tree } from './tree.ts'

/** What a registry's configuration names. */
export interface Sources {
  /** A directory of files, which are called by their names in it. */
  readonly directory: string | undefined
  readonly files: readonly Pattern[]
}

/** Everything that was read at one time. */
export interface SourcesRead {
  /** The view of each file by its path, in the order in which they win: as configured, includes after their file. */
  readonly views: ReadonlyMap<string, FileView>
  /** The files that each `include` named, by the including file's path and what it says. */
  readonly included: ReadonlyMap<string, readonly string[]>
  /** What is wrong with includes; what is wrong in a file is in its view. */
  readonly problems: readonly RegistryProblem[]
  /** The directories whose changes matter, with what each is known again by. */
  readonly directories: ReadonlyMap<string, string>
  /** True when a file was written to while it was read. */
  readonly unsettled: boolean
}

export const nothingRead: SourcesRead = {
  views: new Map(),
  included: new Map(),
  problems: [],
  directories: new Map(),
  unsettled: false,
}

/**
 * Reads all files of a registry and what they include, each once, beginning with what was read before. Throws an error
 * that names the path when something that is configured cannot be read; an include that cannot is a problem, and what it
 * said stays.
 */
export async function readSources(sources: Sources, before: SourcesRead): Promise<SourcesRead> {
  const reading = new Reading(sources.directory, before)
  if (sources.directory !== undefined) {
    const { directory } = sources
    await reading.read(directory, tree => findInDirectory(tree, directory))
  }
  for (const pattern of sources.files) {
    await reading.read(pattern.kind === 'path' ? pattern.path : pattern.base, tree => findFiles(tree, pattern))
  }
  return reading.result
}

class Reading {
  readonly #views = new Map<string, FileView>()
  readonly #included = new Map<string, readonly string[]>()
  readonly #problems: RegistryProblem[] = []
  readonly #tree: Tree = createTree()
  readonly #directory: string | undefined
  readonly #before: SourcesRead
  /** Files that have been read, by their path without links. */
  readonly #read = new Set<string>()
  /** The files that are being read, each included by the one before it. */
  readonly #open: { readonly real: string; readonly name: string }[] = []
  #unsettled = false

  constructor(directory: string | undefined, before: SourcesRead) {
    this.#directory = directory
    this.#before = before
  }

  get result(): SourcesRead {
    return {
      views: this.#views,
      included: this.#included,
      problems: this.#problems,
      directories: this.#tree.identities,
      unsettled: this.#unsettled,
    }
  }

  async read(what: string, find: (tree: Tree) => Promise<readonly string[]>): Promise<void> {
    let paths: readonly string[]
    try {
      paths = await find(this.#tree)
    } catch (cause) {
      throw new Error(`cannot read ${what}`, { cause })
    }
    for (const path of paths) await this.#file(path, path === what)
  }

  /** `expected`: it was named, so that a file that is not there keeps what it said. */
  async #file(path: string, expected: boolean): Promise<void> {
    if (this.#views.has(path)) return
    const last = this.#before.views.get(path)
    await this.#tree.note(dirname(path))
    const real = await resolved(path)
    if (real === undefined || this.#read.has(real)) {
      if (real === undefined && expected && last !== undefined) await this.#view(path, last)
      return
    }
    this.#read.add(real)
    // a link's file may change where nobody looks
    if (dirname(real) !== dirname(path)) await this.#tree.note(dirname(real))
    const text = await readFile(path)
    if (text.kind === 'changing') this.#unsettled = true
    if (text.kind !== 'gone') await this.#view(path, viewFile(this.#nameOf(path), text, last), real)
    else if (expected && last !== undefined) await this.#view(path, last)
  }

  async #view(path: string, view: FileView, real = path): Promise<void> {
    this.#views.set(path, view)
    this.#open.push({ real, name: this.#nameOf(path) })
    for (const include of view.content.includes) await this.#include(path, real, include)
    this.#open.pop()
  }

  async #include(from: string, real: string, { place, value }: Declared<string>): Promise<void> {
    const key = `${from}\0${value}`
    const pattern = parsePattern(value, dirname(from))
    const { paths, reason } = await this.#find(pattern, value, this.#before.included.get(key) ?? [])
    this.#included.set(key, paths)
    const say = (said: string) => this.#problems.push({ item: place, reason: `includes ${value}, ${said}` })
    if (reason !== undefined) say(reason)
    for (const path of paths) {
      const target = await resolved(path)
      // a pattern may well fit the file it stands in
      if (target === real && pattern.kind === 'glob') continue
      const at = this.#open.findIndex(file => file.real === target)
      if (at < 0) await this.#file(path, reason !== undefined || (pattern.kind === 'path' && path === pattern.path))
      else
        say(
          `which includes this file: ${[...this.#open.slice(at).map(file => file.name), this.#nameOf(path)].join(' > ')}`,
        )
    }
  }

  /** What an include names; what it named before when that cannot be told. */
  async #find(
    pattern: Pattern,
    text: string,
    before: readonly string[],
  ): Promise<{ readonly paths: readonly string[]; readonly reason?: string }> {
    const wrong = patternProblem(text)
    if (wrong !== undefined) return { paths: before, reason: `which ${wrong}` }
    const stays = before.length === 0 ? '' : '; what it said before stays in use'
    try {
      return { paths: await findFiles(this.#tree, pattern) }
    } catch (error) {
      await this.#tree.note(dirname(pattern.kind === 'path' ? pattern.path : pattern.base))
      if (isMissing(error)) return { paths: before, reason: `which is not there${stays}` }
      return { paths: before, reason: `which cannot be read: ${describeError(error)}${stays}` }
    }
  }

  #nameOf(path: string): string {
    if (this.#directory === undefined) return path
    const name = relative(this.#directory, path)
    return name.startsWith('..') ? path : name
  }
}

async function resolved(path: string): Promise<string | undefined> {
  try {
    return await realpath(path)
  } catch (error) {
    // what cannot be resolved for another reason says so itself when it is read
    return isMissing(error) ? undefined : path
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
