import type { Program } from './program.ts'
import type { Assertion } from './syntax-tree.ts'

/** Where groups begin and end, two a group, the whole match first; -1 for a group that took no part. */
export type Slots = readonly number[]

/**
 * Runs a program over a text: all ways are followed at once, one character after the other, so the time is at most the
 * text's length times the program's (Thompson's construction, with captures as in Pike's machine). Gives the leftmost
 * match from `from` on, of several there the one that Perl would take; with `whole` only one of all the text counts.
 */
export function run(program: Program, text: string, from: number, whole: boolean): Slots | undefined {
  const machine = new Machine(program, text, whole)
  return machine.run(from)
}

/** Ways that wait for the same character, preferred ones first. */
class Ways {
  readonly steps: number[] = []
  readonly slots: Slots[] = []
  /** By step: the number of the last round in which it was reached. */
  readonly #seen: Int32Array
  #round = 0

  constructor(size: number) {
    this.#seen = new Int32Array(size)
  }

  clear(): void {
    this.steps.length = 0
    this.slots.length = 0
    this.#round += 1
  }

  /** False when it is there already. */
  reach(step: number): boolean {
    if (this.#seen[step] === this.#round) return false
    this.#seen[step] = this.#round
    return true
  }
}

class Machine {
  readonly #program: Program
  readonly #text: string
  readonly #whole: boolean
  #now: Ways
  #next: Ways
  #found: Slots | undefined
  readonly #pendingSteps: number[] = []
  readonly #pendingSlots: Slots[] = []

  constructor(program: Program, text: string, whole: boolean) {
    this.#program = program
    this.#text = text
    this.#whole = whole
    this.#now = new Ways(program.steps.length)
    this.#next = new Ways(program.steps.length)
    this.#now.clear()
    this.#next.clear()
  }

  run(from: number): Slots | undefined {
    const text = this.#text
    const none: Slots = new Array(this.#whole ? 0 : 2 * this.#program.groups + 2).fill(-1)
    for (let at = from; ; ) {
      if (this.#found === undefined && (at === from || !this.#whole)) {
        this.#follow(this.#now, 0, at, this.#whole ? none : none.with(0, at))
      }
      if (at >= text.length || this.#now.steps.length === 0) {
        if (at >= text.length || this.#found !== undefined || this.#whole) return this.#ended(at)
      }
      const codePoint = text.codePointAt(at) ?? 0
      const after = at + (codePoint > 0xffff ? 2 : 1)
      this.#eat(codePoint, at, after)
      at = after
    }
  }

  /** What waits for a character takes it; a match cuts off the ways that are less preferred. */
  #eat(codePoint: number, at: number, after: number): void {
    const { steps } = this.#program
    const now = this.#now
    const next = this.#next
    next.clear()
    for (let index = 0; index < now.steps.length; index += 1) {
      const place = now.steps[index] ?? 0
      const slots = now.slots[index] ?? []
      const step = steps[place]
      if (step?.kind === 'char') {
        const { only } = step.set
        if (only >= 0 ? only === codePoint : step.set.has(codePoint)) this.#follow(next, place + 1, after, slots)
      } else if (step?.kind === 'match' && !this.#whole) {
        this.#found = slots.with(1, at)
        break
      }
    }
    this.#now = next
    this.#next = now
  }

  #ended(at: number): Slots | undefined {
    const { steps } = this.#program
    const index = this.#now.steps.findIndex(place => steps[place]?.kind === 'match')
    if (index < 0) return this.#found
    const slots = this.#now.slots[index] ?? []
    if (this.#whole) return at === this.#text.length ? slots : undefined
    return slots.with(1, at)
  }

  /** Adds all that is reached from a step without eating anything, preferred ways first. */
  #follow(ways: Ways, start: number, at: number, from: Slots): void {
    const places = this.#pendingSteps
    const kept = this.#pendingSlots
    places.push(start)
    kept.push(from)
    for (let place = places.pop(); place !== undefined; place = places.pop()) {
      const slots = kept.pop() ?? from
      if (!ways.reach(place)) continue
      const step = this.#program.steps[place]
      if (step === undefined) continue
      if (step.kind === 'jump') {
        places.push(step.to)
        kept.push(slots)
      } else if (step.kind === 'split') {
        places.push(step.second, step.first)
        kept.push(slots, slots)
      } else if (step.kind === 'save') {
        places.push(place + 1)
        kept.push(this.#whole ? slots : slots.with(step.slot, at))
      } else if (step.kind === 'assert') {
        if (!holds(step.assert, this.#text, at)) continue
        places.push(place + 1)
        kept.push(slots)
      } else {
        ways.steps.push(place)
        ways.slots.push(slots)
      }
    }
  }
}

function holds(assert: Assertion, text: string, at: number): boolean {
  switch (assert) {
    case 'text-start':
      return at === 0
    case 'text-end':
      return at === text.length
    case 'line-start':
      return at === 0 || text[at - 1] === '\n'
    case 'line-end':
      return at === text.length || text[at] === '\n'
    case 'word':
      return isWord(text, at - 1) !== isWord(text, at)
    case 'not-word':
      return isWord(text, at - 1) === isWord(text, at)
  }
}

function isWord(text: string, at: number): boolean {
  return /^\w$/.test(text[at] ?? '')
}
