/**
 * Runs `check` until it stops throwing and returns its result; after `withinMs` the last error is thrown. The waits
 * between tries grow from 5 to 200 ms.
 */
export async function eventually<T>(check: () => T | Promise<T>, withinMs = 10_000): Promise<T> {
  const deadline = performance.now() + withinMs
  for (let waitMs = 5; ; waitMs = Math.min(200, waitMs * 2)) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await new Promise(resolve => setTimeout(resolve, waitMs))
  }
}

/** Waits until `holds` is true; the error says what did not become so. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  await eventually(async () => {
    if (!(await holds())) throw new Error(`not yet: ${what}`)
  }, withinMs)
}
