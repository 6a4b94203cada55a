import type { Clock } from '../../mesh/std/clock.ts'

/** What came of asking an iterator that may be anybody's. */
export type Step =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'ended' }
  | { readonly kind: 'threw'; readonly error: unknown }
  | { readonly kind: 'aborted' }

/** Waits for a result of an iterator, until the signal aborts at the latest. Never rejects. */
export function nextStep(next: Promise<unknown>, signal: AbortSignal): Promise<Step> {
  return new Promise(resolve => {
    const finish = (step: Step) => {
      signal.removeEventListener('abort', aborted)
      resolve(step)
    }
    const aborted = () => finish({ kind: 'aborted' })
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted, { once: true })
    next.then(
      result => finish(stepOf(result)),
      (error: unknown) => finish({ kind: 'threw', error }),
    )
  })
}

/** Whether a promise comes to its end, good or bad, within a time. */
export function settled(promise: Promise<unknown>, clock: Clock, withinMs: number): Promise<boolean> {
  return new Promise(resolve => {
    const finish = (inTime: boolean) => {
      timer.cancel()
      resolve(inTime)
    }
    const timer = clock.timer(withinMs, () => finish(false))
    promise.then(
      () => finish(true),
      () => finish(true),
    )
  })
}

function stepOf(result: unknown): Step {
  try {
    if (typeof result !== 'object' || result === null) throw new Error('its iterator answers no result')
    if (Reflect.get(result, 'done') === true) return { kind: 'ended' }
    return { kind: 'value', value: Reflect.get(result, 'value') }
  } catch (error) {
    return { kind: 'threw', error }
  }
}
