/**
 * A value that changes over time, with readers that only ever see the latest one. Values are treated as frozen: a
 * change is a new value.
 */
export class Watch<T> {
  #value: T
  readonly #listeners = new Set<(value: T) => void>()

  constructor(value: T) {
    this.#value = value
  }

  get value(): T {
    return this.#value
  }

  /** Replaces the value and tells every listener at once; the same value again is not a change. */
  set(value: T): void {
    if (Object.is(value, this.#value)) return
    this.#value = value
    for (const listener of [...this.#listeners]) listener(value)
  }

  /** Calls `listener` on every later change until the returned function is called. */
  subscribe(listener: (value: T) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /**
   * Yields the current value and then each newer one until the signal aborts. A reader slower than the writer skips
   * the values in between: nothing queues up.
   */
  async *changes(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    let fresh = true
    let wake: (() => void) | undefined
    const notify = () => {
      fresh = true
      wake?.()
    }
    const unsubscribe = this.subscribe(notify)
    const onAbort = () => wake?.()
    signal.addEventListener('abort', onAbort)
    try {
      while (!signal.aborted) {
        if (fresh) {
          fresh = false
          yield this.#value
          continue
        }
        await new Promise<void>(resolve => {
          wake = resolve
        })
        wake = undefined
      }
    } finally {
      unsubscribe()
      signal.removeEventListener('abort', onAbort)
    }
  }
}
