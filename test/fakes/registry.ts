import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { AdapterDeps, AdapterHealth, RegistryAdapter } from '../../registry-adapters/adapter.ts'

/** A registry that says what a test makes it say, in that order, each view whole. */
export class FakeRegistry implements RegistryAdapter {
  #deps: AdapterDeps | undefined
  readonly #views: (RegistrySnapshot | Error | 'end')[] = []
  #wake: (() => void) | undefined
  /** How often it was watched. */
  watched = 0

  /** Hand this to whoever runs adapters. */
  readonly create = (deps: AdapterDeps): RegistryAdapter => {
    this.#deps = deps
    return this
  }

  /** Yields a view; an error is thrown out of the iteration, `end` ends it. Both break the contract, on purpose. */
  say(view: RegistrySnapshot | Error | 'end'): void {
    this.#views.push(view)
    this.#wake?.()
  }

  report(health: AdapterHealth): void {
    this.#deps?.report(health)
  }

  async *watch(signal: AbortSignal): AsyncGenerator<RegistrySnapshot> {
    this.watched += 1
    while (!signal.aborted) {
      const view = this.#views.shift()
      if (view === 'end') return
      if (view instanceof Error) throw view
      if (view !== undefined) {
        yield view
        continue
      }
      await new Promise<void>(resolve => {
        this.#wake = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }
}
