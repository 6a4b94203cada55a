/** Names of services that are to be read: those with a hint first, the others when there is time. */
export interface ReadQueue {
  /** To be read before all others, in this order; a name that is queued already keeps the better place. */
  urgent(names: Iterable<string>): void
  /** To be read in the next sweep. */
  later(names: Iterable<string>): void
  /** To be read when `revive` is called, not before: those that could not be read. */
  postpone(names: Iterable<string>): void
  /** Makes every postponed name urgent. */
  revive(): void
  /** Forgets every name that is not among these. */
  retain(names: { has(name: string): boolean }): void
  /** Takes up to `count` urgent names, or names of the sweep where none is urgent and `sweep` is true. */
  take(count: number, sweep: boolean): readonly string[]
  readonly urgentCount: number
  readonly laterCount: number
  readonly postponedCount: number
  /** Resolves at the next `urgent`, `later` or `retain`, or when the signal aborts. */
  changed(signal: AbortSignal): Promise<void>
}

/** An empty queue for one reader. */
export function createReadQueue(): ReadQueue {
  const first = new Set<string>()
  const rest = new Set<string>()
  const postponed = new Set<string>()
  let wake = () => {}

  function urgent(names: Iterable<string>): void {
    for (const name of names) {
      rest.delete(name)
      first.add(name)
    }
    wake()
  }

  return {
    urgent,
    later(names) {
      for (const name of names) if (!first.has(name)) rest.add(name)
      wake()
    },
    postpone(names) {
      for (const name of names) postponed.add(name)
    },
    revive() {
      urgent(postponed)
      postponed.clear()
    },
    retain(names) {
      for (const queued of [first, rest, postponed]) {
        for (const name of queued) if (!names.has(name)) queued.delete(name)
      }
      wake()
    },
    take(count, sweep) {
      const from = first.size > 0 || !sweep ? first : rest
      const names: string[] = []
      for (const name of from) {
        if (names.length === count) break
        names.push(name)
        from.delete(name)
      }
      return names
    },
    get urgentCount() {
      return first.size
    },
    get laterCount() {
      return rest.size
    },
    get postponedCount() {
      return postponed.size
    },
    changed(signal) {
      return new Promise(resolve => {
        if (signal.aborted) return resolve()
        wake = () => {
          signal.removeEventListener('abort', wake)
          resolve()
        }
        signal.addEventListener('abort', wake, { once: true })
      })
    },
  }
}
