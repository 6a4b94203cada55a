import { parseRegex } from './parse.ts'
import type { Assertion, CharSet, Node } from './syntax-tree.ts'

/** One step of a program: what it eats or asks for, and where it goes on. `first` is preferred to `second`. */
export type Step =
  | { readonly kind: 'char'; readonly set: CharSet }
  | { readonly kind: 'split'; readonly first: number; readonly second: number }
  | { readonly kind: 'jump'; readonly to: number }
  | { readonly kind: 'save'; readonly slot: number }
  | { readonly kind: 'assert'; readonly assert: Assertion }
  | { readonly kind: 'match' }

/** Steps for a machine that follows all ways at once; the first is where it starts. */
export interface Program {
  readonly steps: readonly Step[]
  /** Number of capturing groups. */
  readonly groups: number
}

/** Most steps of a program, as Istio allows its proxies: repetitions are written out, so a short text can be a long one. */
const maxSteps = 32_768

/** Compiles RE2's syntax. What cannot be read, or is too large, throws a SyntaxError. */
export function compileProgram(text: string): Program {
  const { root, groups } = parseRegex(text)
  const steps: Step[] = []
  emit(steps, root)
  steps.push({ kind: 'match' })
  return { steps, groups }
}

function emit(steps: Step[], node: Node): void {
  if (steps.length > maxSteps) throw new SyntaxError('is too large once its repetitions are written out')
  switch (node.kind) {
    case 'empty':
      return
    case 'char':
      steps.push({ kind: 'char', set: node.set })
      return
    case 'assert':
      steps.push({ kind: 'assert', assert: node.assert })
      return
    case 'concat':
      for (const item of node.items) emit(steps, item)
      return
    case 'alternate':
      return emitAlternate(steps, node.items)
    case 'group':
      steps.push({ kind: 'save', slot: 2 * node.index })
      emit(steps, node.item)
      steps.push({ kind: 'save', slot: 2 * node.index + 1 })
      return
    case 'repeat':
      return emitRepeat(steps, node)
    default:
      node satisfies never
  }
}

function emitAlternate(steps: Step[], items: readonly Node[]): void {
  const ends: number[] = []
  for (const [index, item] of items.entries()) {
    const last = index === items.length - 1
    const split = last ? -1 : hole(steps)
    emit(steps, item)
    if (last) break
    ends.push(hole(steps))
    steps[split] = { kind: 'split', first: split + 1, second: steps.length }
  }
  for (const end of ends) steps[end] = { kind: 'jump', to: steps.length }
}

function emitRepeat(steps: Step[], { item, min, max, greedy }: Extract<Node, { kind: 'repeat' }>): void {
  for (let count = 0; count < min; count += 1) emit(steps, item)
  const split = (first: number, second: number): Step =>
    greedy ? { kind: 'split', first, second } : { kind: 'split', first: second, second: first }
  if (max === undefined) {
    const start = hole(steps)
    emit(steps, item)
    steps.push({ kind: 'jump', to: start })
    steps[start] = split(start + 1, steps.length)
    return
  }
  const skips: number[] = []
  for (let count = min; count < max; count += 1) {
    skips.push(hole(steps))
    emit(steps, item)
  }
  for (const skip of skips) steps[skip] = split(skip + 1, steps.length)
}

/** Keeps a place for a step that is known later. */
function hole(steps: Step[]): number {
  steps.push({ kind: 'match' })
  return steps.length - 1
}
