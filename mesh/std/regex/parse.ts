import { readBracket, readEscape } from './parse-class.ts'
import { type Assertion, charSet, literalSet, type Node } from './syntax-tree.ts'

/**
 * Reads RE2's syntax (as Go's regexp/syntax does) into a tree. Whatever `regex-syntax.ts` finds nothing wrong with can
 * be read; for anything else a SyntaxError is thrown.
 */

interface Flags {
  readonly ignoreCase: boolean
  readonly multiLine: boolean
  readonly dotAll: boolean
  readonly lazy: boolean
}

export interface Parsed {
  readonly root: Node
  /** Number of capturing groups. */
  readonly groups: number
}

export function parseRegex(text: string): Parsed {
  const parser = new Parser(text)
  const root = parser.alternatives()
  if (parser.at < text.length) throw new SyntaxError('unexpected )')
  return { root, groups: parser.groups }
}

class Parser {
  readonly text: string
  at = 0
  groups = 0
  #flags: Flags = { ignoreCase: false, multiLine: false, dotAll: false, lazy: false }

  constructor(text: string) {
    this.text = text
  }

  /** Up to the end, or the parenthesis that closes the group. */
  alternatives(): Node {
    const before = this.#flags
    const items = [this.#sequence()]
    while (this.#take('|')) items.push(this.#sequence())
    this.#flags = before
    return only(items) ?? { kind: 'alternate', items }
  }

  #sequence(): Node {
    const items: Node[] = []
    while (this.at < this.text.length && !this.#sees('|') && !this.#sees(')')) {
      const item = this.#take('\\Q') ? this.#quoted(items) : this.#item()
      if (item !== undefined) items.push(this.#repeated(item))
    }
    if (items.length === 0) return { kind: 'empty' }
    return only(items) ?? { kind: 'concat', items }
  }

  /** Undefined for what only sets flags. */
  #item(): Node | undefined {
    const { ignoreCase, multiLine, dotAll } = this.#flags
    if (this.#take('(?')) return this.#special()
    if (this.#take('(')) return this.#group(true)
    if (this.#take('^')) return assertion(multiLine ? 'line-start' : 'text-start')
    if (this.#take('$')) return assertion(multiLine ? 'line-end' : 'text-end')
    if (this.#take('.')) return { kind: 'char', set: charSet(dotAll ? '[^]' : '[^\\n]', false) }
    if (this.#take('\\A')) return assertion('text-start')
    if (this.#take('\\z')) return assertion('text-end')
    if (this.#take('\\b')) return assertion('word')
    if (this.#take('\\B')) return assertion('not-word')
    if (this.#sees('[')) {
      const { source, end } = readBracket(this.text, this.at)
      this.at = end
      return { kind: 'char', set: charSet(source, ignoreCase) }
    }
    if (this.#sees('\\')) {
      const { source, codePoint, end } = readEscape(this.text, this.at)
      this.at = end
      if (codePoint !== undefined) return { kind: 'char', set: literalSet(codePoint, ignoreCase) }
      return { kind: 'char', set: charSet(`[${source}]`, ignoreCase) }
    }
    return this.#literal()
  }

  #literal(): Node {
    const codePoint = this.text.codePointAt(this.at) ?? 0
    this.at += codePoint > 0xffff ? 2 : 1
    return { kind: 'char', set: literalSet(codePoint, this.#flags.ignoreCase) }
  }

  /** Literals up to `\E`: a repetition behind it is about the last of them. */
  #quoted(items: Node[]): Node | undefined {
    const end = this.text.indexOf('\\E', this.at)
    const stop = end < 0 ? this.text.length : end
    let last: Node | undefined
    while (this.at < stop) {
      if (last !== undefined) items.push(last)
      last = this.#literal()
    }
    this.at = end < 0 ? stop : stop + 2
    return last
  }

  /** After `(?`: a name, or flags for the rest of the group, or for a group of their own. */
  #special(): Node | undefined {
    const name = /^P?<\w+>/.exec(this.text.slice(this.at))
    if (name !== null) {
      this.at += name[0].length
      return this.#group(true)
    }
    const flags = /^([imsU]*)(?:-([imsU]+))?([:)])/.exec(this.text.slice(this.at))
    if (flags === null) throw new SyntaxError('unknown group')
    const [all, on = '', off = '', close] = flags
    this.at += all.length
    const before = this.#flags
    const set = (flag: string, was: boolean) => (was || on.includes(flag)) && !off.includes(flag)
    this.#flags = {
      ignoreCase: set('i', before.ignoreCase),
      multiLine: set('m', before.multiLine),
      dotAll: set('s', before.dotAll),
      lazy: set('U', before.lazy),
    }
    if (close === ')') return undefined
    const item = this.#group(false)
    this.#flags = before
    return item
  }

  #group(captures: boolean): Node {
    const index = captures ? ++this.groups : 0
    const item = this.alternatives()
    if (!this.#take(')')) throw new SyntaxError('missing )')
    return captures ? { kind: 'group', item, index } : item
  }

  #repeated(item: Node): Node {
    const found = /^(?:[*+?]|\{(\d{1,4})(,(\d{0,4}))?\})/.exec(this.text.slice(this.at, this.at + 12))
    if (found === null) return item
    const [all, from, comma, to = ''] = found
    this.at += all.length
    const greedy = this.#take('?') === this.#flags.lazy
    if (from === undefined) {
      return { kind: 'repeat', item, min: all === '+' ? 1 : 0, max: all === '?' ? 1 : undefined, greedy }
    }
    const min = Number(from)
    const max = comma === undefined ? min : to === '' ? undefined : Number(to)
    return { kind: 'repeat', item, min, max, greedy }
  }

  #sees(text: string): boolean {
    return this.text.startsWith(text, this.at)
  }

  #take(text: string): boolean {
    if (!this.#sees(text)) return false
    this.at += text.length
    return true
  }
}

function assertion(assert: Assertion): Node {
  return { kind: 'assert', assert }
}

function only(items: readonly Node[]): Node | undefined {
  return items.length === 1 ? items[0] : undefined
}
