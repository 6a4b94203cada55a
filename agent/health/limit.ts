/** Runs a task as soon as there is room for it; its value, or what it throws, is the task's. */
export type Limit = <T>(task: () => T | Promise<T>) => Promise<T>

/** Lets at most `most` tasks run at once; the others wait in the order in which they came. */
export function createLimit(most: number): Limit {
  const waiting: (() => void)[] = []
  let running = 0
  return async task => {
    if (running < most) running += 1
    // Whoever ends hands its place on, so that nobody gets in between.
    else await new Promise<void>(resolve => waiting.push(resolve))
    try {
      return await task()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running -= 1
      else next()
    }
  }
}
