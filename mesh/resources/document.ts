import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml'
import { exceedsTokenLimits, maxDepth, maxNodes, maxTextBytes } from './limits.ts'
import { formatPath, type ResourceProblem } from './problem.ts'

type Path = readonly (string | number)[]

/** One YAML or JSON document as plain values, with the way back to its text. */
export interface SourceDocument {
  readonly file: string
  readonly value: unknown
  /** Line and column (from 1) of the value at a path, or of its key; of the nearest parent when it is not there. */
  locate(path: Path, at?: 'key' | 'value'): { readonly line: number; readonly column: number }
}

/** Most problems told of one document: the rest is noise. */
const maxProblems = 20
/** Most aliases that may be followed in one document. */
const maxAliases = 100
const tooDeep = `is nested deeper than ${maxDepth} levels`
const forbiddenKeys = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * Reads all documents of a YAML 1.2 (core schema) or JSON text, after the rules for text from outside: at most 1 MiB,
 * 64 levels, 100 aliases, no tags of its own, no duplicate keys, no keys that JavaScript treats specially, no number
 * that JSON lacks. A document that breaks one gives problems and no value; empty documents are left out. Never throws.
 */
export function readDocuments(
  text: string,
  file: string,
): { readonly documents: readonly SourceDocument[]; readonly problems: readonly ResourceProblem[] } {
  const whole = (message: string) => ({ documents: [], problems: [problemAt(file, 1, 1, message)] })
  if (text.length > maxTextBytes || Buffer.byteLength(text) > maxTextBytes) return whole('is larger than 1 MiB')
  const excess = exceedsTokenLimits(text)
  if (excess !== undefined) return whole(excess)
  const lines = new LineCounter()
  try {
    // the library compares each key with all others (quadratic); Reader finds duplicates itself
    const options = { version: '1.2', schema: 'core', uniqueKeys: false, prettyErrors: false, strict: true } as const
    const quiet = { logLevel: 'silent', resolveKnownTags: false, lineCounter: lines } as const
    const parsed = parseAllDocuments(text, { ...options, ...quiet })
    const read = (Array.isArray(parsed) ? parsed : []).map(document => new Reader(document, file, lines).read())
    return { documents: read.flatMap(one => one.documents), problems: read.flatMap(one => one.problems) }
  } catch (error) {
    if (error instanceof RangeError) return whole(tooDeep)
    return whole(`cannot be read as yaml: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Turns one parsed document into plain values, remembering where each came from. */
class Reader {
  readonly #document: Document.Parsed
  readonly #file: string
  readonly #lines: LineCounter
  readonly #problems: ResourceProblem[] = []
  readonly #keys = new Map<string, number>()
  readonly #values = new Map<string, number>()
  #nodes = 0
  #aliases = 0

  constructor(document: Document.Parsed, file: string, lines: LineCounter) {
    this.#document = document
    this.#file = file
    this.#lines = lines
  }

  read(): { documents: SourceDocument[]; problems: ResourceProblem[] } {
    for (const said of [...this.#document.errors, ...this.#document.warnings]) {
      // the library composes nested blocks by recursion, and tells of its exhausted stack as of any other mistake
      const message = /call stack/i.test(said.message) ? tooDeep : lowerFirst(said.message)
      this.#say([], said.pos[0], message)
    }
    const version = this.#document.directives?.yaml
    if (version?.explicit === true && version.version !== '1.2') {
      this.#say([], 0, `declares yaml ${version.version}, only 1.2 is read`)
    }
    if (this.#problems.length === 0) {
      const root = this.#document.contents
      if (root === null || (isScalar(root) && root.value === null)) return { documents: [], problems: [] }
      const value = this.#value(root, [])
      if (this.#problems.length === 0) {
        const locate: SourceDocument['locate'] = (path, at = 'value') => this.#locate(path, at)
        return { documents: [{ file: this.#file, value, locate }], problems: [] }
      }
    }
    return { documents: [], problems: this.#problems.slice(0, maxProblems) }
  }

  #value(node: unknown, path: (string | number)[]): unknown {
    const start = offsetOf(node)
    if (start !== undefined) this.#values.set(JSON.stringify(path), start)
    this.#nodes += 1
    if (this.#nodes > maxNodes)
      return this.#say(path, start, 'the document has too many values', this.#nodes > maxNodes + 1)
    if (path.length > maxDepth) return this.#say(path, start, tooDeep)
    if (isAlias(node)) return this.#alias(node.source, node.resolve(this.#document), path, start)
    if (isMap(node) || isSeq(node) || isScalar(node)) {
      // the library has refused what it does not know; what it knows may still change a value's type unseen
      if (node.tag !== undefined) return this.#say(path, start, `has the tag ${node.tag}, tags are not read`)
    }
    if (isMap(node)) return this.#map(node.items, path)
    if (isSeq(node)) return node.items.map((item, index) => this.#value(item, [...path, index]))
    if (!isScalar(node)) return null
    const value = node.value
    if (typeof value === 'number' && !Number.isFinite(value)) return this.#say(path, start, 'is not a finite number')
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
    return value === null ? null : this.#say(path, start, 'is of a type that json lacks')
  }

  #alias(name: string, target: Node | undefined, path: (string | number)[], start: number | undefined): unknown {
    this.#aliases += 1
    if (target === undefined) return this.#say(path, start, `*${name} stands before its anchor`)
    if (this.#aliases > maxAliases) {
      return this.#say(path, start, `the document has more than ${maxAliases} aliases`, this.#aliases > maxAliases + 1)
    }
    return this.#value(target, path)
  }

  #map(items: readonly { key: unknown; value: unknown }[], path: (string | number)[]): Record<string, unknown> {
    const result: Record<string, unknown> = {}
    for (const { key, value } of items) {
      const at = offsetOf(key)
      const name = keyName(key)
      if (name === undefined) {
        this.#say(path, at, 'has a key that is neither text nor a whole number')
        continue
      }
      const here = [...path, name]
      if (forbiddenKeys.has(name)) {
        this.#say(here, at, 'is not allowed as a key')
      } else if (Object.hasOwn(result, name)) {
        this.#say(here, at, 'is given twice')
      } else {
        if (at !== undefined) this.#keys.set(JSON.stringify(here), at)
        result[name] = this.#value(value, here)
      }
    }
    return result
  }

  #locate(path: Path, at: 'key' | 'value'): { line: number; column: number } {
    for (let length = path.length; length >= 0; length -= 1) {
      const key = JSON.stringify(path.slice(0, length))
      const keyAt = this.#keys.get(key)
      const valueAt = this.#values.get(key)
      // a parent is shown by its key: that is where the missing field belongs
      const offset = at === 'key' || length < path.length ? (keyAt ?? valueAt) : (valueAt ?? keyAt)
      if (offset !== undefined) return this.#position(offset)
    }
    return { line: 1, column: 1 }
  }

  #position(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }

  #say(path: Path, offset: number | undefined, message: string, known = false): undefined {
    if (known) return
    const { line, column } = this.#position(offset ?? 0)
    this.#problems.push(problemAt(this.#file, line, column, message, formatPath(path)))
  }
}

function problemAt(file: string, line: number, column: number, message: string, path = ''): ResourceProblem {
  return { reason: 'invalid', file, line, column, path, message }
}

function offsetOf(node: unknown): number | undefined {
  if (isAlias(node) || isMap(node) || isSeq(node) || isScalar(node)) return node.range?.[0]
  return undefined
}

/** Keys are text, or whole numbers as they were written (`8080:`), which is how JSON would have them. */
function keyName(key: unknown): string | undefined {
  if (!isScalar(key) || key.tag !== undefined) return undefined
  if (typeof key.value === 'string') return key.value
  return Number.isSafeInteger(key.value) ? (key.source ?? String(key.value)) : undefined
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
