import type { RegistrySnapshot } from '../mesh/model/catalogue.ts'
import { Watch } from '../mesh/std/watch.ts'

/** What follows a registry: it puts each newer view into `views` until the signal aborts. */
export type RunAdapter = (views: Watch<RegistrySnapshot | undefined>, signal: AbortSignal) => Promise<void>

/**
 * The views of an adapter that consists of loops, as its `watch` yields them. The loops end with the iteration, and
 * it with them: a loop ends by itself only through a defect, which is thrown here. `close` gives back what they held
 * open, before they have come to their end.
 */
export async function* watchViews(
  signal: AbortSignal,
  run: RunAdapter,
  close: () => void = () => {},
): AsyncGenerator<RegistrySnapshot> {
  const stop = new AbortController()
  const abort = () => stop.abort()
  signal.addEventListener('abort', abort, { once: true })
  const views = new Watch<RegistrySnapshot | undefined>(undefined)
  const running = run(views, stop.signal).finally(abort)
  running.catch(() => {})
  try {
    for await (const view of views.changes(stop.signal)) if (view !== undefined) yield view
  } finally {
    abort()
    signal.removeEventListener('abort', abort)
    close()
    await running
  }
}
