/**
 * Runs `work` on every item, at most `limit` at once, and gives the results in the order of the items. The first
 * failure ends what is under way and is thrown, as is the reason of the signal.
 */
export async function mapBounded<T, R>(
  items: Iterable<T>,
  limit: number,
  work: (item: T, signal: AbortSignal) => Promise<R>,
  signal: AbortSignal,
): Promise<readonly R[]> {
  const waiting = [...items].entries()
  const results: R[] = []
  const stop = new AbortController()
  const end = () => stop.abort(signal.reason)
  if (signal.aborted) end()
  signal.addEventListener('abort', end, { once: true })
  const worker = async () => {
    try {
      for (const [at, item] of waiting) {
        stop.signal.throwIfAborted()
        results[at] = await work(item, stop.signal)
      }
    } catch (error) {
      // Those still running reject with this reason then, and it stays the first one.
      stop.abort(error)
      throw error
    }
  }
  try {
    const ended = await Promise.allSettled(Array.from({ length: limit }, worker))
    if (ended.some(({ status }) => status === 'rejected')) throw stop.signal.reason
    return results
  } finally {
    signal.removeEventListener('abort', end)
  }
}

/** Waits until every one of the tasks is over, and only then throws the first failure. */
export async function allEnded(tasks: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(tasks)) if (result.status === 'rejected') throw result.reason
}
