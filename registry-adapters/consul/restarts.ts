/** Makes reads that are waiting end early, so that everything is read anew. */
export interface Restarts {
  /** Ends every turn that is under way. */
  restart(): void
  /** One read; its signal aborts on a restart or with the given signal. Call `end` when the read is over. */
  turn(signal: AbortSignal): { readonly signal: AbortSignal; end(): void }
}

/** Holds nothing but the turns under way. */
export function createRestarts(): Restarts {
  const turns = new Set<AbortController>()
  return {
    restart() {
      for (const turn of [...turns]) turn.abort()
    },
    turn(signal) {
      const controller = new AbortController()
      const abort = () => controller.abort()
      if (signal.aborted) abort()
      signal.addEventListener('abort', abort, { once: true })
      turns.add(controller)
      return {
        signal: controller.signal,
        end() {
          turns.delete(controller)
          signal.removeEventListener('abort', abort)
        },
      }
    },
  }
}
