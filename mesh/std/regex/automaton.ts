import type { Program, Step } from './program.ts'

/**
 * Whether all of a text matches, by states that are made when they are first met: a state is all the ways that a program
 * can have gone, and most texts meet few of them. One look-up a character.
 */
export interface Automaton {
  /** Undefined for a text that is not ASCII: others must look at it. */
  matches(text: string): boolean | undefined
}

interface State {
  /** Steps that wait for a character or the end, sorted. */
  readonly places: readonly number[]
  readonly accepts: boolean
  /** By character; undefined where it was not met yet. */
  readonly next: (State | undefined)[]
}

/** States kept, a kilobyte each; beyond them all are forgotten and made again. */
const maxStates = 128

/** Undefined for programs that ask for more of a place than whether the text begins or ends there. */
export function createAutomaton({ steps }: Program): Automaton | undefined {
  if (steps.some(step => step.kind === 'assert' && step.assert !== 'text-start' && step.assert !== 'text-end')) {
    return undefined
  }
  let states = new Map<string, State>()
  let start: State | undefined

  function stateOf(from: readonly number[], atStart: boolean): State {
    const places = closure(steps, from, { atStart, atEnd: false })
    const key = places.join()
    const known = states.get(key)
    if (known !== undefined) return known
    if (states.size >= maxStates) {
      states = new Map()
      start = undefined
    }
    const accepts = closure(steps, places, { atStart, atEnd: true }).some(place => steps[place]?.kind === 'match')
    // where the text begins is known for the first state only: it is not the same as one met later
    const state: State = { places, accepts, next: new Array<State | undefined>(128).fill(undefined) }
    if (!atStart) states.set(key, state)
    return state
  }

  function follow({ places, next }: State, unit: number): State {
    const eaten = places.filter(place => {
      const step = steps[place]
      return step?.kind === 'char' && step.set.has(unit)
    })
    const state = stateOf(
      eaten.map(place => place + 1),
      false,
    )
    next[unit] = state
    return state
  }

  return {
    matches(text) {
      start ??= stateOf([0], true)
      let state = start
      for (let at = 0; at < text.length; at += 1) {
        const unit = text.charCodeAt(at)
        if (unit > 0x7f) return undefined
        if (state.places.length === 0) continue
        state = state.next[unit] ?? follow(state, unit)
      }
      return state.accepts
    },
  }
}

/** Everything that waits for a character, or for the end, and is reached from these steps. */
function closure(
  steps: readonly Step[],
  from: readonly number[],
  { atStart, atEnd }: { readonly atStart: boolean; readonly atEnd: boolean },
): readonly number[] {
  const reached = new Set<number>()
  const waiting: number[] = []
  const pending = [...from]
  for (let place = pending.pop(); place !== undefined; place = pending.pop()) {
    const step = steps[place]
    if (step === undefined || reached.has(place)) continue
    reached.add(place)
    if (step.kind === 'jump') pending.push(step.to)
    else if (step.kind === 'split') pending.push(step.first, step.second)
    else if (step.kind === 'save') pending.push(place + 1)
    else if (step.kind === 'assert') {
      const holds = step.assert === 'text-start' ? atStart : atEnd
      if (holds) pending.push(place + 1)
      else if (step.assert === 'text-end') waiting.push(place)
    } else waiting.push(place)
  }
  return waiting.sort((a, b) => a - b)
}
