import { Watch } from './watch.ts'

/** Anything whose changes can be followed; what it holds does not matter here. */
interface Source {
  subscribe(changed: () => void): () => void
}

/**
 * A value computed from others, computed again when one of them changes. Whoever follows it should subscribe to it
 * rather than to its sources: it may change later than they do.
 */
export function derived<T>(sources: readonly Source[], compute: () => T): { readonly watch: Watch<T>; stop(): void } {
  const watch = new Watch(compute())
  const unsubscribe = sources.map(source => source.subscribe(() => watch.set(compute())))
  return {
    watch,
    stop() {
      for (const end of unsubscribe) end()
    },
  }
}
